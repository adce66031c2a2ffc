use std::collections::HashMap;

use godwit_contract::v1::{Call, CallMedia, CallState};
use godwit_kernel::{CallId, ChatId, DeviceId, Seq, UserId};
use godwit_rpc::instant;
use prost::Message as _;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::App;
use crate::domain::{CallOver, CallRinging, ChatRead, Letter, MessagesDeleted, Preview, Provider};
use crate::error::Error;
use crate::store::{self, Claim, Cue, CueKind};

/// When cues are due again for which names could not be asked.
const RELEASE_PAUSE: Duration = Duration::seconds(1);

/// A claimed try to tell of a cue, and what it tells.
pub struct CueTelling {
    /// Which.
    pub cue: Cue,
    /// What the device is told.
    pub letter: Letter,
}

impl App {
    /// Claims cues of a push service that are due, at most `limit` and none of the `busy` devices.
    ///
    /// # Errors
    /// The database's; that another service does not answer: what was claimed is then due again in a second.
    pub async fn claim_cues(
        &self,
        provider: Provider,
        limit: usize,
        busy: &[DeviceId],
    ) -> Result<Vec<CueTelling>, Error> {
        if provider == Provider::Web {
            self.vapid_key().await?;
        }
        let now = self.clock.now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut conn = self.pool.get().await?;
        let claim = Claim { provider, limit, busy, now, until: now + self.claim_ttl };
        let claimed = store::claim_cues(&mut conn, &claim).await?;
        let callees: Vec<UserId> =
            claimed.iter().filter(|cue| caller_of(cue).is_some()).map(|cue| cue.address.user_id).collect();
        let settings = store::notification_settings(&mut conn, &callees).await?;
        drop(conn);
        let callers: Vec<UserId> = claimed.iter().filter_map(caller_of).collect();
        let names = match callers.is_empty() {
            true => Ok(HashMap::new()),
            false => self.peers.display_names(&callers).await,
        };
        match names {
            Ok(names) => {
                let is_hidden = |cue: &Cue| {
                    settings.get(&cue.address.user_id).is_some_and(|settings| settings.preview == Preview::Hidden)
                };
                let known = |cue: &Cue| if is_hidden(cue) { None } else { Some(&names) };
                Ok(claimed
                    .into_iter()
                    .filter_map(|cue| {
                        let letter = letter_of(&cue, known(&cue))?;
                        Some(CueTelling { cue, letter })
                    })
                    .collect())
            }
            Err(error) => {
                let mut conn = self.pool.get().await?;
                for cue in &claimed {
                    store::postpone_cue(&mut conn, cue, cue.attempt - 1, now + RELEASE_PAUSE).await?;
                }
                Err(error)
            }
        }
    }
}

fn caller_of(cue: &Cue) -> Option<UserId> {
    match &cue.kind {
        CueKind::CallRinging(call) => Call::decode(call.as_slice()).ok()?.caller_id.parse().ok(),
        _ => None,
    }
}

/// Without names when the person shows no senders.
fn letter_of(cue: &Cue, names: Option<&HashMap<UserId, String>>) -> Option<Letter> {
    let chat_id = ChatId::from_uuid(cue.subject_id);
    Some(match &cue.kind {
        CueKind::ChatRead(seq) => Letter::ChatRead(ChatRead::new(chat_id, Seq::from_i64(*seq))),
        CueKind::MessagesDeleted(seqs) => {
            Letter::MessagesDeleted(MessagesDeleted { chat_id, seqs: seqs.iter().map(ToString::to_string).collect() })
        }
        CueKind::CallRinging(call) => Letter::CallRinging(ringing(cue, call, names)?),
        CueKind::CallOver(call) => {
            let state = state_name(Call::decode(call.as_slice()).ok()?.state());
            Letter::CallOver(CallOver { call_id: CallId::from_uuid(cue.subject_id), state })
        }
    })
}

fn ringing(cue: &Cue, call: &[u8], names: Option<&HashMap<UserId, String>>) -> Option<CallRinging> {
    let call = Call::decode(call).ok()?;
    let name = call.caller_id.parse().ok().and_then(|caller: UserId| names?.get(&caller).cloned());
    Some(CallRinging {
        call_id: CallId::from_uuid(cue.subject_id),
        caller_name: name.unwrap_or_default(),
        media: if call.media() == CallMedia::Video { "video" } else { "voice" },
        rings_until: cue.expires_at.format(&Rfc3339).ok()?,
        caller_id: if names.is_some() { call.caller_id } else { String::new() },
    })
}

const fn state_name(state: CallState) -> &'static str {
    match state {
        CallState::Accepted => "accepted",
        CallState::Declined => "declined",
        CallState::Cancelled => "cancelled",
        CallState::Missed => "missed",
        CallState::Unspecified | CallState::Ringing | CallState::Ended | CallState::Busy => "ended",
    }
}

/// When a call was made.
pub(super) fn created_at(call: &Call) -> Option<time::OffsetDateTime> {
    call.created_at.as_ref().and_then(instant)
}
