//! What the tests of credentials share: requests from an address, an authenticator, mails by subject, events.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use godwit_contract::auth::v1::{
    ConfirmTwoFactorRequest, Device, LoginResponse, RefreshRequest, SetupTwoFactorRequest, SetupTwoFactorResponse,
    Tokens, VerifyTwoFactorRequest, VerifyTwoFactorResponse,
};
use godwit_events::topics::Topic;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record};
use godwit_kernel::Clock as _;
use godwit_rpc::{EdgeRequest, Failure};
use godwit_testkit::{Mail, eventually};
use prost::Message;
use ring::hmac;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::codegen::http::HeaderMap;
use tonic::metadata::MetadataMap;

use crate::harness::{Harness, as_caller, failure};

/// The request as the edge passes it on when it comes from this address.
pub fn from_address<T>(address: &str, message: T) -> Request<T> {
    let address: IpAddr = address.parse().unwrap();
    let edge = EdgeRequest { caller: None, request_id: "test", client_address: Some(address) };
    let metadata = MetadataMap::from_headers(edge.metadata(&HeaderMap::new()));
    Request::from_parts(metadata, tonic::Extensions::new(), message)
}

/// What an authenticator shows, written from RFC 6238 and RFC 4226 again.
pub fn totp(harness: &Harness, secret: &str) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let step = harness.cluster.clock.now().unix_timestamp() / 30;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let hash = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(hash.as_ref()[19] & 15);
    let four = u32::from_be_bytes(hash.as_ref()[offset..offset + 4].try_into().unwrap());
    format!("{:06}", (four & 0x7fff_ffff) % 1_000_000)
}

/// Six digits that are not the code of now or its neighbours.
pub fn wrong_code(harness: &Harness, secret: &str) -> String {
    let right: u32 = totp(harness, secret).parse().unwrap();
    format!("{:06}", (right + 500_000) % 1_000_000)
}

/// Time goes on to the next code, for each is taken once.
pub fn next_code(harness: &Harness, secret: &str) -> String {
    harness.advance(Duration::from_secs(30));
    totp(harness, secret)
}

/// Two-factor logins, set up but not confirmed.
pub async fn set_up(harness: &Harness, login: &LoginResponse, device: &Device) -> SetupTwoFactorResponse {
    let request = as_caller(login, device, SetupTwoFactorRequest {});
    harness.auth().setup_two_factor(request).await.unwrap().into_inner()
}

pub async fn confirm(
    harness: &Harness,
    login: &LoginResponse,
    device: &Device,
    code: &str,
) -> Result<Vec<String>, Failure> {
    let request = as_caller(login, device, ConfirmTwoFactorRequest { code: code.to_owned() });
    let answer = harness.auth().confirm_two_factor(request).await.map_err(failure)?;
    Ok(answer.into_inner().recovery_codes)
}

/// Two-factor logins, on: the secret and the recovery codes.
pub async fn guarded(harness: &Harness, login: &LoginResponse, device: &Device) -> (String, Vec<String>) {
    let secret = set_up(harness, login, device).await.secret;
    let codes = confirm(harness, login, device, &totp(harness, &secret)).await.unwrap();
    (secret, codes)
}

pub async fn complete(
    harness: &Harness,
    challenged: &LoginResponse,
    device: &Device,
    code: &str,
) -> Result<VerifyTwoFactorResponse, Failure> {
    let challenge_token = challenged.challenge.as_ref().unwrap().token.clone();
    let request = VerifyTwoFactorRequest { challenge_token, device_id: device.id.clone(), code: code.to_owned() };
    harness.auth().verify_two_factor(request).await.map(tonic::Response::into_inner).map_err(failure)
}

/// The session that a completed challenge opened, as a login answers it.
pub fn as_login(verified: VerifyTwoFactorResponse) -> LoginResponse {
    LoginResponse { tokens: verified.tokens, user: verified.user, challenge: None }
}

pub async fn refresh(harness: &Harness, login: &LoginResponse) -> Result<Tokens, Failure> {
    let refresh_token = login.tokens.as_ref().unwrap().refresh_token.clone();
    let answer = harness.auth().refresh(RefreshRequest { refresh_token }).await.map_err(failure)?;
    Ok(answer.into_inner().tokens.unwrap())
}

/// Waits for a mail with this subject.
pub async fn mail_about(harness: &Harness, email: &str, subject: &str) -> Mail {
    eventually(Duration::from_secs(20), || async {
        harness.cluster.mailbox.mails(email).into_iter().rev().find(|mail| mail.subject == subject)
    })
    .await
}

/// How many mails with this subject have come.
pub fn mails_about(harness: &Harness, email: &str, subject: &str) -> usize {
    harness.cluster.mailbox.mails(email).into_iter().filter(|mail| mail.subject == subject).count()
}

/// The events of a topic, in order.
pub struct Events<E>(mpsc::Receiver<E>);

impl<E> Events<E> {
    /// The next one.
    pub async fn next(&mut self) -> E {
        tokio::time::timeout(Duration::from_secs(20), self.0.recv()).await.unwrap().unwrap()
    }
}

pub fn consume<E: Message + Default + 'static>(harness: &Harness, topic: &'static Topic) -> Events<E> {
    struct Forward<E>(mpsc::Sender<E>);

    #[async_trait]
    impl<E: Message + Default + 'static> BatchHandler for Forward<E> {
        async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
            for record in batch {
                let event = E::decode(record.payload.clone()).map_err(BatchError::retry)?;
                self.0.send(event).await.map_err(BatchError::retry)?;
            }
            Ok(())
        }
    }

    let (sender, receiver) = mpsc::channel(1_000);
    let events = Arc::clone(&harness.replica.platform.events);
    harness.replica.platform.tasks.spawn("test.consumer", |stop: CancellationToken| async move {
        let group = ConsumerGroup { name: "test", topics: vec![topic], max_batch: 10 };
        events.consume(group, Arc::new(Forward(sender)), stop).await?;
        Ok(())
    });
    Events(receiver)
}
