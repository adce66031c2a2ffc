//! People with accounts who know nothing of each other yet, and the calls they make.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_auth::SCHEMA;
use godwit_contract::auth::v1::relationship_service_client::RelationshipServiceClient;
use godwit_contract::auth::v1::user_service_client::UserServiceClient;
use godwit_contract::auth::v1::{self as api, Relationship};
use godwit_contract::events::v1::{AccountEvent, account_event};
use godwit_contract::v1 as pb;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{Clock as _, DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_pg::Pool;
use godwit_rpc::{Caller, Channel, Failure};
use godwit_testkit::unique;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use crate::harness::{Harness, failure};

/// What a call came to.
pub type Answer<T = ()> = Result<T, Failure>;

/// The service, and people whose accounts need no mail.
pub struct People {
    pub harness: Harness,
    pub pool: Pool,
}

impl People {
    pub async fn new() -> Self {
        let harness = Harness::new().await;
        let pool = harness.cluster.db.pool(&SCHEMA);
        Self { harness, pool }
    }

    /// Somebody with an account.
    pub async fn person(&self) -> Me {
        self.named(&unique("ada_")).await
    }

    /// Two people, the one with the lower id first.
    pub async fn pair(&self) -> (Me, Me) {
        let (one, other) = (self.person().await, self.person().await);
        if one.id < other.id { (one, other) } else { (other, one) }
    }

    /// Two friends.
    pub async fn friends(&self) -> (Me, Me) {
        let (one, other) = self.pair().await;
        one.add(other.id).await.unwrap();
        other.add(one.id).await.unwrap();
        (one, other)
    }

    pub async fn named(&self, username: &str) -> Me {
        let id = UserId::generate(&SystemClock, &SystemEntropy);
        let mut conn = self.pool.get().await.unwrap();
        diesel::sql_query(
            "INSERT INTO users (id, username, display_name, email, password_hash, created_at)
             VALUES ($1, $2, 'Ada', $2 || '@example.org', 'none', $3)",
        )
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Text, _>(username)
        .bind::<Timestamptz, _>(self.harness.cluster.clock.now())
        .execute(&mut conn)
        .await
        .unwrap();
        diesel::sql_query("INSERT INTO usernames (username, user_id) VALUES ($2, $1)")
            .bind::<SqlUuid, _>(id.as_uuid())
            .bind::<Text, _>(username)
            .execute(&mut conn)
            .await
            .unwrap();
        Me::new(&self.harness, id, username)
    }

    /// The account is deleted, and may come back yet.
    pub async fn delete(&self, id: UserId) {
        self.sql(&format!("UPDATE users SET deleted_at = now() WHERE id = '{id}'")).await;
    }

    pub async fn sql(&self, sql: &str) {
        let mut conn = self.pool.get().await.unwrap();
        diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    }

    /// The events of accounts from the first on.
    pub fn events(&self) -> mpsc::Receiver<AccountEvent> {
        struct Forward(mpsc::Sender<AccountEvent>);

        #[async_trait]
        impl BatchHandler for Forward {
            async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
                for record in batch {
                    let event = AccountEvent::decode(record.payload.clone()).map_err(BatchError::retry)?;
                    assert_eq!(record.key.as_ref(), subject(&event).as_bytes(), "the key is whom it is about");
                    self.0.send(event).await.map_err(BatchError::retry)?;
                }
                Ok(())
            }
        }

        let (sender, receiver) = mpsc::channel(1_000);
        let events = Arc::clone(&self.harness.replica.platform.events);
        self.harness.replica.platform.tasks.spawn("test.people", |stop: CancellationToken| async move {
            let group = ConsumerGroup { name: "test.people", topics: vec![&topics::ACCOUNTS], max_batch: 10 };
            events.consume(group, Arc::new(Forward(sender)), stop).await?;
            Ok(())
        });
        receiver
    }
}

fn subject(event: &AccountEvent) -> UserId {
    let id = match event.event.as_ref().unwrap() {
        account_event::Event::AccountVerified(event) => event.user.as_ref().unwrap().id.clone(),
        account_event::Event::ProfileChanged(event) => event.user.as_ref().unwrap().id.clone(),
        account_event::Event::AccountDeleted(event) => event.user_id.clone(),
        account_event::Event::AccountRestored(event) => event.user.as_ref().unwrap().id.clone(),
        account_event::Event::AccountPurged(event) => event.user_id.clone(),
        account_event::Event::FriendshipChanged(event) => event.user_id.clone(),
        account_event::Event::BlockChanged(event) => event.user_id.clone(),
    };
    id.parse().unwrap()
}

/// The next event that there is.
pub async fn next(events: &mut mpsc::Receiver<AccountEvent>) -> account_event::Event {
    let event = tokio::time::timeout(std::time::Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
    event.event.unwrap()
}

/// As many events as there are to be, by whom they are about, the lower id first: only those of one person are in order.
pub async fn next_of_each(events: &mut mpsc::Receiver<AccountEvent>, count: usize) -> Vec<account_event::Event> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(tokio::time::timeout(std::time::Duration::from_secs(20), events.recv()).await.unwrap().unwrap());
    }
    found.sort_by_key(subject);
    found.into_iter().map(|event| event.event.unwrap()).collect()
}

/// Somebody with an account, and their calls.
#[derive(Clone)]
pub struct Me {
    pub id: UserId,
    pub username: String,
    caller: Caller,
    users: UserServiceClient<Channel>,
    relationships: RelationshipServiceClient<Channel>,
}

impl Me {
    fn new(harness: &Harness, id: UserId, username: &str) -> Self {
        let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
        let device_id = DeviceId::generate(&SystemClock, &SystemEntropy);
        Self {
            id,
            username: username.to_owned(),
            caller: Caller { user_id: id, session_id, device_id },
            users: harness.replica.users(),
            relationships: harness.replica.relationships(),
        }
    }

    /// A request of this person.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.caller.attach(&mut request);
        request
    }

    pub async fn me(&self) -> api::GetMeResponse {
        self.users.clone().get_me(self.request(api::GetMeRequest {})).await.unwrap().into_inner()
    }

    pub async fn update(&self, request: api::UpdateMeRequest) -> Answer<pb::User> {
        let answer = self.users.clone().update_me(self.request(request)).await.map_err(failure)?;
        Ok(answer.into_inner().user.unwrap())
    }

    pub async fn rename(&self, username: &str) -> Answer<pb::User> {
        self.update(api::UpdateMeRequest { username: Some(username.to_owned()), ..Default::default() }).await
    }

    pub async fn set_avatar(&self, media_id: impl ToString) -> Answer<pb::User> {
        let request = self.request(api::SetAvatarRequest { media_id: media_id.to_string() });
        Ok(self.users.clone().set_avatar(request).await.map_err(failure)?.into_inner().user.unwrap())
    }

    pub async fn remove_avatar(&self) -> Answer {
        self.users.clone().remove_avatar(self.request(api::RemoveAvatarRequest {})).await.map_err(failure)?;
        Ok(())
    }

    pub async fn privacy(&self) -> api::PrivacySettings {
        let answer = self.users.clone().get_privacy(self.request(api::GetPrivacyRequest {})).await.unwrap();
        answer.into_inner().privacy.unwrap()
    }

    pub async fn set_privacy(&self, privacy: api::PrivacySettings) -> Answer<api::PrivacySettings> {
        let request = self.request(api::UpdatePrivacyRequest { privacy: Some(privacy) });
        Ok(self.users.clone().update_privacy(request).await.map_err(failure)?.into_inner().privacy.unwrap())
    }

    /// A user as this person sees them.
    pub async fn see(&self, user_id: UserId) -> Answer<(pb::User, Relationship)> {
        let request = self.request(api::GetUserRequest { user_id: user_id.to_string() });
        let answer = self.users.clone().get_user(request).await.map_err(failure)?.into_inner();
        Ok((answer.user.unwrap(), answer.relationship.unwrap()))
    }

    pub async fn see_named(&self, username: &str) -> Answer<(pb::User, Relationship)> {
        let request = self.request(api::GetUserByUsernameRequest { username: username.to_owned() });
        let answer = self.users.clone().get_user_by_username(request).await.map_err(failure)?.into_inner();
        Ok((answer.user.unwrap(), answer.relationship.unwrap()))
    }

    pub async fn add(&self, user_id: UserId) -> Answer<Relationship> {
        let request = self.request(api::AddFriendRequest { user_id: user_id.to_string() });
        let answer = self.relationships.clone().add_friend(request).await.map_err(failure)?;
        Ok(answer.into_inner().relationship.unwrap())
    }

    pub async fn accept(&self, user_id: UserId) -> Answer<Relationship> {
        let request = self.request(api::AcceptFriendRequest { user_id: user_id.to_string() });
        let answer = self.relationships.clone().accept_friend(request).await.map_err(failure)?;
        Ok(answer.into_inner().relationship.unwrap())
    }

    pub async fn reject(&self, user_id: UserId) -> Answer {
        let request = self.request(api::RejectFriendRequest { user_id: user_id.to_string() });
        self.relationships.clone().reject_friend(request).await.map(|_| ()).map_err(failure)
    }

    pub async fn remove(&self, user_id: UserId) -> Answer {
        let request = self.request(api::RemoveFriendRequest { user_id: user_id.to_string() });
        self.relationships.clone().remove_friend(request).await.map(|_| ()).map_err(failure)
    }

    pub async fn block(&self, user_id: UserId) -> Answer {
        let request = self.request(api::BlockUserRequest { user_id: user_id.to_string() });
        self.relationships.clone().block_user(request).await.map(|_| ()).map_err(failure)
    }

    pub async fn unblock(&self, user_id: UserId) -> Answer {
        let request = self.request(api::UnblockUserRequest { user_id: user_id.to_string() });
        self.relationships.clone().unblock_user(request).await.map(|_| ()).map_err(failure)
    }

    pub async fn friends(&self, limit: u32, cursor: &str) -> Answer<api::ListFriendsResponse> {
        let request = self.request(api::ListFriendsRequest { limit, cursor: cursor.to_owned() });
        self.relationships.clone().list_friends(request).await.map(tonic::Response::into_inner).map_err(failure)
    }

    pub async fn requests(
        &self,
        direction: api::FriendRequestDirection,
        limit: u32,
        cursor: &str,
    ) -> Answer<api::ListFriendRequestsResponse> {
        let request = api::ListFriendRequestsRequest { direction: direction.into(), limit, cursor: cursor.to_owned() };
        let answer = self.relationships.clone().list_friend_requests(self.request(request)).await;
        answer.map(tonic::Response::into_inner).map_err(failure)
    }

    pub async fn blocked(&self, limit: u32, cursor: &str) -> Answer<api::ListBlockedResponse> {
        let request = self.request(api::ListBlockedRequest { limit, cursor: cursor.to_owned() });
        self.relationships.clone().list_blocked(request).await.map(tonic::Response::into_inner).map_err(failure)
    }
}

/// The stable name of a refusal; empty when there is none.
pub fn reason<T>(answer: &Answer<T>) -> &str {
    answer.as_ref().err().map_or("", |failure| failure.reason.as_str())
}
