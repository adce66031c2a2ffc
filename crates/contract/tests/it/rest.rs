use std::convert::Infallible;

use futures_util::FutureExt as _;
use godwit_contract::auth::v1::auth_service_server::{AuthService, AuthServiceServer};
use godwit_contract::auth::v1::relationship_service_server::{RelationshipService, RelationshipServiceServer};
use godwit_contract::auth::v1::user_service_server::{UserService, UserServiceServer};
use godwit_contract::auth::v1::*;
use godwit_contract::rest::{REST_ROUTES, RoutingKey, Upstream, forwarding_transcoder};
use godwit_contract::v1::User;
use http::{HeaderMap, HeaderValue};
use rest_over_grpc::transcoding::{HttpResponse, Transcode as _, TranscodeResponse};
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Answers with what it was asked, so that tests see what arrived.
struct Echo;

type Answer<T> = Result<Response<T>, Status>;

fn user(id: impl Into<String>) -> Option<User> {
    Some(User { id: id.into(), ..User::default() })
}

fn not_asked<T>() -> Answer<T> {
    Err(Status::unimplemented("no test asks this"))
}

#[tonic::async_trait]
impl AuthService for Echo {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        let RegisterRequest { email, .. } = request.into_inner();
        let details = format!("details of {email}").into_bytes().into();
        Err(Status::with_details(Code::AlreadyExists, "taken", details))
    }
    async fn resend_code(&self, _: Request<ResendCodeRequest>) -> Answer<ResendCodeResponse> {
        Ok(Response::new(ResendCodeResponse { code_expires_in_secs: 900 }))
    }
    async fn login(&self, request: Request<LoginRequest>) -> Answer<LoginResponse> {
        let device = request.into_inner().device.unwrap_or_default();
        Ok(Response::new(LoginResponse { user: user(device.id), ..LoginResponse::default() }))
    }
    async fn logout(&self, request: Request<LogoutRequest>) -> Answer<LogoutResponse> {
        match request.metadata().get("godwit-user-id") {
            Some(id) if id == "u1" => Ok(Response::new(LogoutResponse {})),
            _ => Err(Status::unauthenticated("who?")),
        }
    }
    async fn disable_two_factor(&self, request: Request<DisableTwoFactorRequest>) -> Answer<DisableTwoFactorResponse> {
        Err(Status::invalid_argument(request.into_inner().code))
    }
    async fn verify_email(&self, _: Request<VerifyEmailRequest>) -> Answer<VerifyEmailResponse> {
        not_asked()
    }
    async fn refresh(&self, _: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        not_asked()
    }
    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        not_asked()
    }
    async fn logout_all(&self, _: Request<LogoutAllRequest>) -> Answer<LogoutAllResponse> {
        not_asked()
    }
    async fn list_sessions(&self, _: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        not_asked()
    }
    async fn revoke_session(&self, _: Request<RevokeSessionRequest>) -> Answer<RevokeSessionResponse> {
        not_asked()
    }
    async fn list_logins(&self, _: Request<ListLoginsRequest>) -> Answer<ListLoginsResponse> {
        not_asked()
    }
    async fn forgot_password(&self, _: Request<ForgotPasswordRequest>) -> Answer<ForgotPasswordResponse> {
        not_asked()
    }
    async fn reset_password(&self, _: Request<ResetPasswordRequest>) -> Answer<ResetPasswordResponse> {
        not_asked()
    }
    async fn setup_two_factor(&self, _: Request<SetupTwoFactorRequest>) -> Answer<SetupTwoFactorResponse> {
        not_asked()
    }
    async fn confirm_two_factor(&self, _: Request<ConfirmTwoFactorRequest>) -> Answer<ConfirmTwoFactorResponse> {
        not_asked()
    }
    async fn verify_two_factor(&self, _: Request<VerifyTwoFactorRequest>) -> Answer<VerifyTwoFactorResponse> {
        not_asked()
    }
}

#[tonic::async_trait]
impl UserService for Echo {
    async fn get_me(&self, _: Request<GetMeRequest>) -> Answer<GetMeResponse> {
        Ok(Response::new(GetMeResponse { user: user("me"), ..GetMeResponse::default() }))
    }
    async fn get_user(&self, request: Request<GetUserRequest>) -> Answer<GetUserResponse> {
        Ok(Response::new(GetUserResponse { user: user(request.into_inner().user_id), relationship: None }))
    }
    async fn get_user_by_username(
        &self,
        request: Request<GetUserByUsernameRequest>,
    ) -> Answer<GetUserByUsernameResponse> {
        Ok(Response::new(GetUserByUsernameResponse { user: user(request.into_inner().username), relationship: None }))
    }
    async fn update_me(&self, request: Request<UpdateMeRequest>) -> Answer<UpdateMeResponse> {
        let UpdateMeRequest { display_name, bio, username } = request.into_inner();
        let user = User {
            display_name: display_name.unwrap_or_else(|| "unset".to_owned()),
            bio: bio.unwrap_or_else(|| "unset".to_owned()),
            username: username.unwrap_or_else(|| "unset".to_owned()),
            ..User::default()
        };
        Ok(Response::new(UpdateMeResponse { user: Some(user) }))
    }
    async fn delete_me(&self, request: Request<DeleteMeRequest>) -> Answer<DeleteMeResponse> {
        Err(Status::invalid_argument(request.into_inner().password))
    }
    async fn update_privacy(&self, request: Request<UpdatePrivacyRequest>) -> Answer<UpdatePrivacyResponse> {
        Ok(Response::new(UpdatePrivacyResponse { privacy: request.into_inner().privacy }))
    }
    async fn change_password(&self, _: Request<ChangePasswordRequest>) -> Answer<ChangePasswordResponse> {
        not_asked()
    }
    async fn set_avatar(&self, _: Request<SetAvatarRequest>) -> Answer<SetAvatarResponse> {
        not_asked()
    }
    async fn remove_avatar(&self, _: Request<RemoveAvatarRequest>) -> Answer<RemoveAvatarResponse> {
        not_asked()
    }
    async fn get_privacy(&self, _: Request<GetPrivacyRequest>) -> Answer<GetPrivacyResponse> {
        not_asked()
    }
}

#[tonic::async_trait]
impl RelationshipService for Echo {
    async fn list_friend_requests(
        &self,
        request: Request<ListFriendRequestsRequest>,
    ) -> Answer<ListFriendRequestsResponse> {
        let next_cursor = format!("{:?}", request.get_ref().direction());
        Ok(Response::new(ListFriendRequestsResponse { requests: vec![], next_cursor }))
    }
    async fn add_friend(&self, request: Request<AddFriendRequest>) -> Answer<AddFriendResponse> {
        Err(Status::not_found(request.into_inner().user_id))
    }
    async fn unblock_user(&self, request: Request<UnblockUserRequest>) -> Answer<UnblockUserResponse> {
        Err(Status::not_found(request.into_inner().user_id))
    }
    async fn list_friends(&self, _: Request<ListFriendsRequest>) -> Answer<ListFriendsResponse> {
        not_asked()
    }
    async fn accept_friend(&self, _: Request<AcceptFriendRequest>) -> Answer<AcceptFriendResponse> {
        not_asked()
    }
    async fn reject_friend(&self, _: Request<RejectFriendRequest>) -> Answer<RejectFriendResponse> {
        not_asked()
    }
    async fn remove_friend(&self, _: Request<RemoveFriendRequest>) -> Answer<RemoveFriendResponse> {
        not_asked()
    }
    async fn block_user(&self, _: Request<BlockUserRequest>) -> Answer<BlockUserResponse> {
        not_asked()
    }
    async fn list_blocked(&self, _: Request<ListBlockedRequest>) -> Answer<ListBlockedResponse> {
        not_asked()
    }
}

#[derive(Clone)]
struct InProcess(BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>);

impl Upstream for InProcess {
    type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

    fn transport(&self, service: &'static str, key: Option<RoutingKey<'_>>) -> Self::Transport {
        assert!(service.starts_with("godwit."));
        if let Some(key) = key {
            let fields = ["user_id", "username", "chat_id", "message_id", "call_id", "media_id", "session_id"];
            assert!(fields.contains(&key.field), "{}", key.field);
        }
        self.0.clone()
    }
}

fn call(verb: &str, target: &str, headers: HeaderMap, body: &str) -> Option<HttpResponse> {
    let routes = Routes::new(AuthServiceServer::new(Echo));
    let routes = routes.add_service(UserServiceServer::new(Echo)).add_service(RelationshipServiceServer::new(Echo));
    let upstream = InProcess(BoxCloneSyncService::new(routes.map_request(|request: http::Request<Body>| request)));
    let transcoder = forwarding_transcoder(&upstream);
    // Nothing here waits for IO, so one poll is enough.
    match transcoder.try_transcode(verb, target, headers, body.as_bytes()).now_or_never().unwrap() {
        Some(TranscodeResponse::Unary(response)) => Some(response),
        Some(TranscodeResponse::Streaming(_)) => panic!("nothing streams"),
        None => None,
    }
}

fn ok(verb: &str, target: &str, body: &str) -> Value {
    let response = call(verb, target, HeaderMap::new(), body).unwrap();
    assert_eq!(response.status(), 200, "{}", String::from_utf8_lossy(response.body()));
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn a_literal_path_wins_over_a_variable_one() {
    assert_eq!(ok("GET", "/users/me", ""), json!({"user": {"id": "me"}}));
    assert_eq!(ok("GET", "/users/7", ""), json!({"user": {"id": "7"}}));
    assert_eq!(ok("GET", "/users/by-username/ada", ""), json!({"user": {"id": "ada"}}));
}

#[test]
fn json_has_the_field_names_of_the_proto_files() {
    assert_eq!(ok("POST", "/auth/resend-code", r#"{"email": "a@b.c"}"#), json!({"code_expires_in_secs": 900}));
    assert_eq!(ok("POST", "/auth/login", r#"{"device": {"id": "d1"}}"#), json!({"user": {"id": "d1"}}));
}

#[test]
fn what_a_patch_does_not_name_is_not_set() {
    assert_eq!(
        ok("PATCH", "/users/me", r#"{"bio": ""}"#),
        json!({"user": {"display_name": "unset", "username": "unset"}})
    );
    assert_eq!(
        ok("PATCH", "/users/me/privacy", r#"{"privacy": {"avatar": "AUDIENCE_NOBODY"}}"#),
        json!({"privacy": {"avatar": "AUDIENCE_NOBODY"}})
    );
}

#[test]
fn an_enum_in_a_query_is_given_by_its_name() {
    assert_eq!(
        ok("GET", "/friends/requests?direction=FRIEND_REQUEST_DIRECTION_OUTGOING", ""),
        json!({"next_cursor": "Outgoing"})
    );
    let refused = call("GET", "/friends/requests?direction=SIDEWAYS", HeaderMap::new(), "").unwrap();
    assert_eq!(refused.status(), 400);
}

#[test]
fn a_delete_may_have_a_body() {
    for (target, body) in [("/users/me", r#"{"password": "p"}"#), ("/auth/2fa", r#"{"code": "p"}"#)] {
        let response = call("DELETE", target, HeaderMap::new(), body).unwrap();
        assert_eq!(Status::from_header_map(response.headers()).unwrap().message(), "p", "{target}");
    }
}

#[test]
fn who_is_meant_is_in_the_path() {
    for (verb, target) in [("POST", "/friends/add/u7"), ("DELETE", "/users/u7/block")] {
        let response = call(verb, target, HeaderMap::new(), if verb == "POST" { "{}" } else { "" }).unwrap();
        assert_eq!(Status::from_header_map(response.headers()).unwrap().message(), "u7", "{target}");
    }
}

#[test]
fn a_refusal_keeps_its_code_message_and_details() {
    let response = call("POST", "/auth/register", HeaderMap::new(), r#"{"email": "a@b.c"}"#).unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "taken"));
    assert_eq!(status.details(), b"details of a@b.c");
}

#[test]
fn metadata_goes_along() {
    let headers =
        HeaderMap::from_iter([(http::HeaderName::from_static("godwit-user-id"), HeaderValue::from_static("u1"))]);
    assert_eq!(call("POST", "/auth/logout", headers, "{}").unwrap().status(), 200);
    let refused = call("POST", "/auth/logout", HeaderMap::new(), "{}").unwrap();
    assert_eq!(Status::from_header_map(refused.headers()).unwrap().code(), Code::Unauthenticated);
}

#[test]
fn bad_input_is_refused_before_any_service_is_called() {
    for (verb, target, body) in [
        ("POST", "/auth/login", "{"),
        ("POST", "/auth/login", r#"{"unknown": 1}"#),
        ("POST", "/auth/login", r#"{"login": 1}"#),
        ("POST", "/auth/login", "[]"),
        ("GET", "/users/me?nope=1", ""),
        ("GET", "/chats?limit=many", ""),
        ("GET", "/chats?limit=-1", ""),
        ("GET", "/users/%ff", ""),
    ] {
        let response = call(verb, target, HeaderMap::new(), body).unwrap();
        assert_eq!(response.status(), 400, "{verb} {target} {body}");
        assert!(Status::from_header_map(response.headers()).is_none());
    }
}

#[test]
fn internal_services_have_no_route() {
    for route in REST_ROUTES {
        assert!(!route.service.contains("Internal") && !route.service.contains("Raft"), "{route:?}");
    }
    for path in ["/godwit.auth.v1.AuthInternalService/GetUsers", "/godwit.call.v1.RaftService/Vote", "/"] {
        assert!(call("POST", path, HeaderMap::new(), "{}").is_none(), "{path}");
    }
}

#[test]
fn open_routes_are_those_whose_comment_says_so() {
    let open: Vec<_> = REST_ROUTES.iter().filter(|route| route.is_open).map(|route| route.rpc).collect();
    let of_auth = ["Register", "VerifyEmail", "ResendCode", "Login", "Refresh", "ListKeys"];
    let of_credentials = ["ForgotPassword", "ResetPassword", "VerifyTwoFactor"];
    assert_eq!(open, [&of_auth[..], &of_credentials[..], &["GetVapidKey"]].concat());
}
