//! Records for the outbox.

use std::sync::Arc;

use bytes::Bytes;
use godwit_contract::events::v1 as pb;
use godwit_contract::events::v1::{AccountEvent, SecurityEvent, account_event, security_event};
use godwit_events::{NewRecord, topics};
use godwit_kernel::{Clock, Entropy, EventId, UserId};
use prost::Message as _;
use time::OffsetDateTime;

use crate::domain::{ClientAddress, Fact, LoginOutcome, PasswordProof, SessionEnd, User};
use crate::grpc::encode_user;

/// The account exists: it may log in.
pub fn account_verified(user: &User, now: OffsetDateTime, clock: &dyn Clock, entropy: &dyn Entropy) -> NewRecord {
    let event = account_event::Event::AccountVerified(pb::AccountVerified { user: Some(encode_user(user)) });
    account_record(user.id, event, EventId::generate(clock, entropy), now)
}

/// Writes down what happened to accounts at one time, by a request from one address.
pub struct Author {
    /// When.
    pub now: OffsetDateTime,
    /// From where, if that is known.
    pub address: Option<ClientAddress>,
    /// For event ids.
    pub clock: Arc<dyn Clock>,
    /// For event ids.
    pub entropy: Arc<dyn Entropy>,
}

/// On which topic an event goes.
enum Topical {
    Account(account_event::Event),
    Security(security_event::Event),
}

impl Author {
    /// The record of a fact.
    pub fn record(&self, user_id: UserId, fact: &Fact) -> NewRecord {
        let id = EventId::generate(&*self.clock, &*self.entropy);
        match topical(user_id, fact) {
            Topical::Account(event) => account_record(user_id, event, id, self.now),
            Topical::Security(event) => {
                let event = SecurityEvent {
                    event_id: id.to_string(),
                    occurred_at: Some(godwit_rpc::timestamp(self.now)),
                    user_id: user_id.to_string(),
                    address: self.address.map(|address| address.to_text()).unwrap_or_default(),
                    event: Some(event),
                };
                NewRecord::new(&topics::SECURITY, key(user_id), event.encode_to_vec())
            }
        }
    }
}

fn account_record(user_id: UserId, event: account_event::Event, id: EventId, now: OffsetDateTime) -> NewRecord {
    let event =
        AccountEvent { event_id: id.to_string(), occurred_at: Some(godwit_rpc::timestamp(now)), event: Some(event) };
    NewRecord::new(&topics::ACCOUNTS, key(user_id), event.encode_to_vec())
}

fn key(user_id: UserId) -> Bytes {
    Bytes::copy_from_slice(user_id.as_bytes())
}

fn topical(user_id: UserId, fact: &Fact) -> Topical {
    use account_event::Event as Account;
    use security_event::Event as Security;
    let user_id = user_id.to_string();
    match fact {
        Fact::LoggedIn { session_id, device_id, platform, is_new_device } => {
            Topical::Security(Security::LoggedIn(pb::LoggedIn {
                session_id: session_id.to_string(),
                device_id: device_id.to_string(),
                platform: platform.clone(),
                is_new_device: *is_new_device,
            }))
        }
        Fact::LoginFailed { device_id, outcome } => Topical::Security(Security::LoginFailed(pb::LoginFailed {
            device_id: device_id.to_string(),
            reason: failure_reason(*outcome).to_owned(),
        })),
        Fact::SessionEnded { session_id, cause } => Topical::Security(Security::SessionEnded(pb::SessionEnded {
            session_id: session_id.to_string(),
            cause: session_end_cause(*cause).into(),
        })),
        Fact::PasswordChanged { by } => {
            let by_reset = *by == PasswordProof::ResetToken;
            Topical::Security(Security::PasswordChanged(pb::PasswordChanged { by_reset }))
        }
        Fact::TwoFactorEnabled => {
            Topical::Security(Security::TwoFactorChanged(pb::TwoFactorChanged { is_enabled: true }))
        }
        Fact::TwoFactorDisabled => {
            Topical::Security(Security::TwoFactorChanged(pb::TwoFactorChanged { is_enabled: false }))
        }
        Fact::RecoveryCodeUsed { codes_left } => {
            Topical::Security(Security::RecoveryCodeUsed(pb::RecoveryCodeUsed { codes_left: *codes_left }))
        }
        Fact::AccountDeleted => Topical::Account(Account::AccountDeleted(pb::AccountDeleted { user_id })),
        Fact::AccountRestored(user) => {
            Topical::Account(Account::AccountRestored(pb::AccountRestored { user: Some(encode_user(user)) }))
        }
        Fact::AccountPurged => Topical::Account(Account::AccountPurged(pb::AccountPurged { user_id })),
    }
}

/// As the same refusal is named in answers.
fn failure_reason(outcome: LoginOutcome) -> &'static str {
    match outcome {
        LoginOutcome::WrongCode => "TWO_FACTOR_CODE_WRONG",
        LoginOutcome::Ok | LoginOutcome::Challenged | LoginOutcome::WrongPassword => "BAD_CREDENTIALS",
    }
}

fn session_end_cause(cause: SessionEnd) -> pb::SessionEndCause {
    match cause {
        SessionEnd::Logout => pb::SessionEndCause::Logout,
        SessionEnd::Revoked => pb::SessionEndCause::Revoked,
        SessionEnd::Replaced => pb::SessionEndCause::Replaced,
        SessionEnd::TokenReused => pb::SessionEndCause::TokenReused,
        SessionEnd::PasswordChanged => pb::SessionEndCause::PasswordChanged,
        SessionEnd::AccountDeleted => pb::SessionEndCause::AccountDeleted,
    }
}
