//! Every RPC of clients in every relation: each answers exactly what `docs/ACCESS.md` says.

use godwit_auth::access::{Access, Relation, Rule, Subject, access_of_rpc};
use godwit_contract::auth::v1 as api;
use godwit_contract::auth::v1::{Device, LoginResponse};
use godwit_contract::rest::REST_ROUTES;
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use tonic::{Request, Response, Status};

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure, tokens};
use crate::people::{Answer, Me, People, reason};

fn rows() -> impl Iterator<Item = (&'static str, &'static Access)> {
    let accounts = REST_ROUTES.iter().filter(|route| route.service.starts_with("godwit.auth.v1."));
    accounts.map(|route| (route.rpc, access_of_rpc(route.rpc).unwrap_or_else(|| panic!("{} has no row", route.rpc))))
}

/// The reason that the table has for a call; empty when it is allowed.
fn documented(row: &Access, relation: Relation) -> &'static str {
    match row.rule(relation) {
        Rule::Allow => "",
        Rule::Refuse(refusal) => refusal.reason(),
        rule => panic!("no RPC has {rule:?} in {relation:?}"),
    }
}

/// Who calls in a relation, and about whom. Where a relation has several shapes, all of them.
async fn casts(people: &People, relation: Relation) -> Vec<(Me, UserId)> {
    match relation {
        Relation::Itself => {
            let me = people.person().await;
            let id = me.id;
            vec![(me, id)]
        }
        Relation::Friend => {
            let (me, other) = people.friends().await;
            vec![(me, other.id)]
        }
        Relation::Stranger | Relation::Anonymous => {
            let (me, other) = people.pair().await;
            // So that there is something to accept and to reject.
            other.add(me.id).await.unwrap();
            vec![(me, other.id)]
        }
        Relation::Blocked => {
            let mut casts = Vec::new();
            for (blocks, is_blocked) in [(true, false), (false, true), (true, true)] {
                let (me, other) = people.friends().await;
                if blocks {
                    me.block(other.id).await.unwrap();
                }
                if is_blocked {
                    other.block(me.id).await.unwrap();
                }
                casts.push((me, other.id));
            }
            casts
        }
        Relation::Deleted => {
            let (me, other) = people.friends().await;
            people.delete(other.id).await;
            let unknown = UserId::generate(&SystemClock, &SystemEntropy);
            vec![(me.clone(), other.id), (me, unknown)]
        }
    }
}

/// Calls an RPC about a person; without a caller when the relation is to be not logged in.
async fn call_about(people: &People, rpc: &str, me: &Me, relation: Relation, target: UserId) -> Answer {
    let mut users = people.harness.replica.users();
    let mut relationships = people.harness.replica.relationships();
    let user_id = target.to_string();
    fn of<T>(me: &Me, relation: Relation, message: T) -> Request<T> {
        if relation == Relation::Anonymous { Request::new(message) } else { me.request(message) }
    }
    match rpc {
        "GetUser" => done(users.get_user(of(me, relation, api::GetUserRequest { user_id })).await),
        "GetUserByUsername" => {
            let username = name_of(people, target).await;
            let request = of(me, relation, api::GetUserByUsernameRequest { username });
            done(users.get_user_by_username(request).await)
        }
        "AddFriend" => done(relationships.add_friend(of(me, relation, api::AddFriendRequest { user_id })).await),
        "AcceptFriend" => {
            done(relationships.accept_friend(of(me, relation, api::AcceptFriendRequest { user_id })).await)
        }
        "RejectFriend" => {
            done(relationships.reject_friend(of(me, relation, api::RejectFriendRequest { user_id })).await)
        }
        "RemoveFriend" => {
            done(relationships.remove_friend(of(me, relation, api::RemoveFriendRequest { user_id })).await)
        }
        "BlockUser" => done(relationships.block_user(of(me, relation, api::BlockUserRequest { user_id })).await),
        "UnblockUser" => done(relationships.unblock_user(of(me, relation, api::UnblockUserRequest { user_id })).await),
        other => panic!("{other} is about a person, and the matrix does not call it"),
    }
}

async fn name_of(people: &People, user_id: UserId) -> String {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        username: String,
    }
    let mut conn = people.pool.get().await.unwrap();
    let query = diesel::sql_query(format!("SELECT username FROM users WHERE id = '{user_id}'"));
    let rows: Vec<Row> = diesel_async::RunQueryDsl::load(query, &mut conn).await.unwrap();
    rows.into_iter().next().map_or_else(|| "nobody_at_all".to_owned(), |row| row.username)
}

fn done<T>(answer: Result<Response<T>, Status>) -> Answer {
    answer.map(|_| ()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_person_answer_as_documented_in_every_relation() {
    let people = People::new().await;
    let mut cells = 0;
    for (rpc, row) in rows().filter(|(_, row)| row.subject == Subject::Other) {
        for relation in Relation::ALL {
            for (me, target) in casts(&people, relation).await {
                let answer = call_about(&people, rpc, &me, relation, target).await;
                assert_eq!(reason(&answer), documented(row, relation), "{rpc} {relation:?}");
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 8 * 6);
}

/// Somebody who is logged in on a device.
struct Session {
    person: Person,
    device: Device,
    login: LoginResponse,
}

impl Session {
    async fn open(harness: &Harness) -> Self {
        let (person, device, login) = harness.session().await;
        Self { person, device, login }
    }

    fn user_id(&self) -> UserId {
        self.login.user.as_ref().unwrap().id.parse().unwrap()
    }
}

/// What an allowed call with the requests below comes to: most succeed; some can be known to have come through by what
/// they say of a made-up secret.
fn when_allowed(rpc: &str) -> &'static str {
    match rpc {
        "VerifyEmail" => "CODE_WRONG",
        "ResetPassword" => "RESET_TOKEN_INVALID",
        "VerifyTwoFactor" => "CHALLENGE_INVALID",
        "ConfirmTwoFactor" => "TWO_FACTOR_NOT_SET_UP",
        "DisableTwoFactor" => "TWO_FACTOR_NOT_ON",
        _ => "",
    }
}

struct Calling<'a> {
    harness: &'a Harness,
    session: &'a Session,
    relation: Relation,
}

impl Calling<'_> {
    fn of<T>(&self, message: T) -> Request<T> {
        match self.relation {
            Relation::Anonymous => Request::new(message),
            _ => as_caller(&self.session.login, &self.session.device, message),
        }
    }

    async fn open(&self, rpc: &str) -> Answer {
        let mut auth = self.harness.auth();
        let stranger = Person::new();
        let email = stranger.email.clone();
        match rpc {
            "Register" => done(auth.register(self.of(stranger.register_request())).await),
            "VerifyEmail" => {
                let request = api::VerifyEmailRequest { email, code: "000000".to_owned() };
                done(auth.verify_email(self.of(request)).await)
            }
            "ResendCode" => done(auth.resend_code(self.of(api::ResendCodeRequest { email })).await),
            "Login" => {
                let (login, password) = (self.session.person.email.clone(), PASSWORD.to_owned());
                let request = api::LoginRequest { login, password, device: Some(device()) };
                done(auth.login(self.of(request)).await)
            }
            "Refresh" => {
                let refresh_token = tokens(&self.session.login).refresh_token.clone();
                done(auth.refresh(self.of(api::RefreshRequest { refresh_token })).await)
            }
            "ListKeys" => done(auth.list_keys(self.of(api::ListKeysRequest {})).await),
            "ForgotPassword" => done(auth.forgot_password(self.of(api::ForgotPasswordRequest { email })).await),
            "ResetPassword" => {
                let new_password = "another horse battery".to_owned();
                let request = api::ResetPasswordRequest { token: made_up_token(), new_password };
                done(auth.reset_password(self.of(request)).await)
            }
            "VerifyTwoFactor" => {
                let (device_id, code) = (device().id, "000000".to_owned());
                let request = api::VerifyTwoFactorRequest { challenge_token: made_up_token(), device_id, code };
                done(auth.verify_two_factor(self.of(request)).await)
            }
            other => panic!("{other} is open, and the matrix does not call it"),
        }
    }

    async fn own(&self, rpc: &str) -> Answer {
        let (password, code) = (PASSWORD.to_owned(), "000000".to_owned());
        let session_id = tokens(&self.session.login).session_id.clone();
        let mut auth = self.harness.auth();
        match rpc {
            "Logout" => done(auth.logout(self.of(api::LogoutRequest {})).await),
            "LogoutAll" => done(auth.logout_all(self.of(api::LogoutAllRequest {})).await),
            "ListSessions" => done(auth.list_sessions(self.of(api::ListSessionsRequest {})).await),
            "RevokeSession" => done(auth.revoke_session(self.of(api::RevokeSessionRequest { session_id })).await),
            "ListLogins" => done(auth.list_logins(self.of(api::ListLoginsRequest::default())).await),
            "SetupTwoFactor" => done(auth.setup_two_factor(self.of(api::SetupTwoFactorRequest {})).await),
            "ConfirmTwoFactor" => done(auth.confirm_two_factor(self.of(api::ConfirmTwoFactorRequest { code })).await),
            "DisableTwoFactor" => {
                done(auth.disable_two_factor(self.of(api::DisableTwoFactorRequest { password, code })).await)
            }
            _ => self.own_profile(rpc).await,
        }
    }

    async fn own_profile(&self, rpc: &str) -> Answer {
        let mut users = self.harness.replica.users();
        match rpc {
            "GetMe" => done(users.get_me(self.of(api::GetMeRequest {})).await),
            "UpdateMe" => done(users.update_me(self.of(api::UpdateMeRequest::default())).await),
            "DeleteMe" => done(users.delete_me(self.of(api::DeleteMeRequest { password: PASSWORD.to_owned() })).await),
            "ChangePassword" => {
                let (current_password, new_password) = (PASSWORD.to_owned(), "another horse battery".to_owned());
                let request = api::ChangePasswordRequest { current_password, new_password };
                done(users.change_password(self.of(request)).await)
            }
            "SetAvatar" => {
                let media_id = self.harness.cluster.neighbours.image_of(self.session.user_id()).to_string();
                done(users.set_avatar(self.of(api::SetAvatarRequest { media_id })).await)
            }
            "RemoveAvatar" => done(users.remove_avatar(self.of(api::RemoveAvatarRequest {})).await),
            "GetPrivacy" => done(users.get_privacy(self.of(api::GetPrivacyRequest {})).await),
            "UpdatePrivacy" => done(users.update_privacy(self.of(api::UpdatePrivacyRequest::default())).await),
            _ => self.own_lists(rpc).await,
        }
    }

    async fn own_lists(&self, rpc: &str) -> Answer {
        let mut relationships = self.harness.replica.relationships();
        match rpc {
            "ListFriends" => done(relationships.list_friends(self.of(api::ListFriendsRequest::default())).await),
            "ListFriendRequests" => {
                done(relationships.list_friend_requests(self.of(api::ListFriendRequestsRequest::default())).await)
            }
            "ListBlocked" => done(relationships.list_blocked(self.of(api::ListBlockedRequest::default())).await),
            other => panic!("{other} is of the caller's own, and the matrix does not call it"),
        }
    }
}

/// Of the form that tokens have here: 256 bits in URL-safe base64.
fn made_up_token() -> String {
    "A".repeat(43)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_no_other_person_answer_as_documented_with_and_without_a_caller() {
    let harness = Harness::new().await;
    for (rpc, row) in rows().filter(|(_, row)| row.subject != Subject::Other) {
        // Each changes its caller's account: so each has one of its own.
        let session = Session::open(&harness).await;
        for relation in [Relation::Anonymous, Relation::Itself] {
            let calling = Calling { harness: &harness, session: &session, relation };
            let answer = if row.subject == Subject::Anyone { calling.open(rpc).await } else { calling.own(rpc).await };
            let documented = documented(row, relation);
            let expected = if documented.is_empty() { when_allowed(rpc) } else { documented };
            assert_eq!(reason(&answer), expected, "{rpc} {relation:?}");
        }
    }
}
