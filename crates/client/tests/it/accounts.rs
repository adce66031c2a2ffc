//! The account calls: each reaches its route of the contract.

use std::convert::Infallible;
use std::sync::Arc;

use godwit_client::{Client, Options, Session};
use godwit_contract::auth::v1 as api;
use godwit_contract::rest::{REST_ROUTES, RestRoute};
use godwit_contract::v1::User;
use godwit_kernel::{Clock as _, MediaId, SessionId, SystemClock, SystemEntropy, UserId};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use pbjson_types::Timestamp;
use tokio::net::TcpListener;

use crate::wire::json;

/// What was asked: verb, path, query and body.
type Asked = (String, String, String, String);

/// Answers every call with as little as it may, and keeps what was asked.
#[derive(Default)]
struct Recorder(Mutex<Vec<Asked>>);

impl Recorder {
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    async fn start() -> (Arc<Self>, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorder = Arc::new(Self::default());
        let serving = Arc::clone(&recorder);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let serving = Arc::clone(&serving);
                    async move { Ok::<_, Infallible>(serving.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (recorder, Client::new(Options::new(url.parse().unwrap())).unwrap())
    }

    async fn answer(&self, request: Request<Incoming>) -> http::Response<http_body_util::Full<hyper::body::Bytes>> {
        let (verb, uri) = (request.method().to_string(), request.uri().clone());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let query = uri.query().unwrap_or_default().to_owned();
        self.0.lock().push((verb, uri.path().to_owned(), query, body));
        let (tokens, user) = (Some(tokens()), Some(User { id: "u".to_owned(), ..User::default() }));
        match uri.path() {
            "/auth/login" => json(200, &api::LoginResponse { tokens, user, challenge: None }),
            "/auth/2fa/verify" => json(200, &api::VerifyTwoFactorResponse { tokens, user }),
            "/auth/refresh" => json(200, &api::RefreshResponse { tokens }),
            _ => json(200, &serde_json::json!({})),
        }
    }

    fn newest(&self) -> Asked {
        self.0.lock().last().unwrap().clone()
    }
}

fn tokens() -> api::Tokens {
    let expires_at = SystemClock.now() + time::Duration::hours(1);
    api::Tokens {
        access_token: "token1".to_owned(),
        access_token_expires_at: Some(Timestamp { seconds: expires_at.unix_timestamp(), nanos: 0 }),
        refresh_token: "refresh1".to_owned(),
        session_id: "s".to_owned(),
    }
}

fn session() -> Session {
    Session {
        session_id: "s".to_owned(),
        user_id: "u".to_owned(),
        access_token: "token0".to_owned(),
        access_token_expires_at: SystemClock.now() + time::Duration::hours(1),
        refresh_token: "refresh0".to_owned(),
    }
}

async fn call_auth(client: &Client) {
    client.register(&api::RegisterRequest::default()).await.unwrap();
    client.verify_email(&api::VerifyEmailRequest::default()).await.unwrap();
    client.resend_code(&api::ResendCodeRequest::default()).await.unwrap();
    client.login(&api::LoginRequest::default()).await.unwrap();
    client.renew_access_token("token1".to_owned()).await.unwrap();
    client.list_keys().await.unwrap();
    client.list_sessions().await.unwrap();
    client.revoke_session(SessionId::generate(&SystemClock, &SystemEntropy)).await.unwrap();
    client.list_logins(&api::ListLoginsRequest::default()).await.unwrap();
    client.forgot_password(&api::ForgotPasswordRequest::default()).await.unwrap();
    client.reset_password(&api::ResetPasswordRequest::default()).await.unwrap();
    client.setup_two_factor().await.unwrap();
    client.confirm_two_factor(&api::ConfirmTwoFactorRequest::default()).await.unwrap();
    client.verify_two_factor(&api::VerifyTwoFactorRequest::default()).await.unwrap();
    client.disable_two_factor(&api::DisableTwoFactorRequest::default()).await.unwrap();
    client.logout().await.unwrap();
    client.set_session(Some(session()));
    client.logout_all().await.unwrap();
}

async fn call_users(client: &Client) {
    client.get_me().await.unwrap();
    client.update_me(&api::UpdateMeRequest::default()).await.unwrap();
    client.change_password(&api::ChangePasswordRequest::default()).await.unwrap();
    client.set_avatar(MediaId::generate(&SystemClock, &SystemEntropy)).await.unwrap();
    client.remove_avatar().await.unwrap();
    client.get_privacy().await.unwrap();
    client.update_privacy(api::PrivacySettings::default()).await.unwrap();
    client.get_user(user_id()).await.unwrap();
    client.get_user_by_username("ada").await.unwrap();
    client.delete_me(&api::DeleteMeRequest::default()).await.unwrap();
}

async fn call_relationships(client: &Client) {
    client.list_friends(&api::ListFriendsRequest::default()).await.unwrap();
    client.list_friend_requests(&api::ListFriendRequestsRequest::default()).await.unwrap();
    client.add_friend(user_id()).await.unwrap();
    client.accept_friend(user_id()).await.unwrap();
    client.reject_friend(user_id()).await.unwrap();
    client.remove_friend(user_id()).await.unwrap();
    client.block_user(user_id()).await.unwrap();
    client.unblock_user(user_id()).await.unwrap();
    client.list_blocked(&api::ListBlockedRequest::default()).await.unwrap();
}

fn user_id() -> UserId {
    UserId::generate(&SystemClock, &SystemEntropy)
}

/// The route that a request belongs to: the one with the most literal segments wins, as on the server.
fn route_of(verb: &str, path: &str) -> Option<&'static RestRoute> {
    let matches = |route: &&RestRoute| {
        let (wanted, found): (Vec<_>, Vec<_>) = (route.template.split('/').collect(), path.split('/').collect());
        let is_match = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') || wanted == found;
        route.verb == verb && wanted.len() == found.len() && wanted.iter().zip(&found).all(is_match)
    };
    REST_ROUTES.iter().filter(matches).min_by_key(|route| route.template.matches('{').count())
}

#[tokio::test]
async fn every_account_route_has_a_method_that_calls_it() {
    let (recorder, client) = Recorder::start().await;
    call_auth(&client).await;
    client.set_session(Some(session()));
    call_users(&client).await;
    client.set_session(Some(session()));
    call_relationships(&client).await;
    let asked = recorder.0.lock().clone();
    let mut called: Vec<&str> = asked.iter().map(|(verb, path, ..)| route_of(verb, path).unwrap().rpc).collect();
    called.sort_unstable();
    let accounts = REST_ROUTES.iter().filter(|route| route.service.starts_with("godwit.auth.v1."));
    let mut wanted: Vec<&str> = accounts.map(|route| route.rpc).collect();
    wanted.sort_unstable();
    assert_eq!(called, wanted);
}

#[tokio::test]
async fn a_page_is_asked_for_by_query() {
    let (recorder, client) = Recorder::start().await;
    client.set_session(Some(session()));
    let mut request = api::ListFriendRequestsRequest { limit: 7, cursor: "c".to_owned(), ..Default::default() };
    request.set_direction(api::FriendRequestDirection::Incoming);
    client.list_friend_requests(&request).await.unwrap();
    let (_, path, query, _) = recorder.newest();
    assert_eq!(path, "/friends/requests");
    assert_eq!(query, "direction=FRIEND_REQUEST_DIRECTION_INCOMING&limit=7&cursor=c");
}

#[tokio::test]
async fn a_session_that_the_call_ended_is_forgotten() {
    let (_recorder, client) = Recorder::start().await;
    client.set_session(Some(session()));
    client.logout_all().await.unwrap();
    assert_eq!(client.session(), None);
    client.set_session(Some(session()));
    client.delete_me(&api::DeleteMeRequest::default()).await.unwrap();
    assert_eq!(client.session(), None);
}
