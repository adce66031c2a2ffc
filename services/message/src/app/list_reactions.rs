use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::{MessageId, UserId};
use godwit_rpc::InvalidField;
use time::OffsetDateTime;
use uuid::Uuid;

use super::App;
use super::act::{hide_chat, require};
use crate::domain::{ChatKind, Emoji, Right};
use crate::error::Error;
use crate::store::{self, GivenReaction};

/// Which reactions are asked for.
#[derive(Clone, Debug)]
pub struct ListReactions {
    /// To which message.
    pub id: MessageId,
    /// Only these; `None` for all.
    pub emoji: Option<Emoji>,
    /// The most of them.
    pub limit: u32,
    /// Where the page before ended; empty for the first.
    pub cursor: String,
}

/// A page of reactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionPage {
    /// The newest first.
    pub reactions: Vec<GivenReaction>,
    /// Empty on the last page.
    pub next_cursor: String,
}

impl App {
    /// Who reacted how to a message, for members of its chat; in a channel for those who may delete any.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::ReactionsHidden`]; [`Error::Invalid`] for what is no cursor.
    #[tracing::instrument(name = "message.list_reactions", skip_all, fields(message.id = %list.id), err(level = "debug"))]
    pub async fn list_reactions(&self, caller: UserId, list: ListReactions) -> Result<ReactionPage, Error> {
        let after = decode_cursor(&list.cursor)?;
        self.get_message(caller, list.id).await?;
        let mut policy = self.policies.get(list.id.chat_id, caller).await.map_err(hide_chat)?;
        if policy.kind == ChatKind::Channel && !policy.rights.has(Right::DeleteAny) {
            policy = self.policies.reload(list.id.chat_id, caller).await.map_err(hide_chat)?;
            require(&policy, Right::DeleteAny, Error::ReactionsHidden)?;
        }
        let mut conn = self.pool.get().await?;
        let mut reactions =
            store::list_reactions(&mut conn, list.id, list.emoji.as_ref(), after, list.limit + 1).await?;
        drop(conn);
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        let has_more = reactions.len() > limit;
        reactions.truncate(limit);
        let last = reactions.last().filter(|_| has_more);
        let next_cursor = last.map(|last| encode_cursor(last.reacted_at, last.user_id)).unwrap_or_default();
        Ok(ReactionPage { reactions, next_cursor })
    }
}

fn encode_cursor(at: OffsetDateTime, user: UserId) -> String {
    let micros = i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    URL_SAFE_NO_PAD.encode([micros.to_be_bytes().as_slice(), user.as_bytes()].concat())
}

fn decode_cursor(text: &str) -> Result<Option<(OffsetDateTime, UserId)>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || InvalidField::new("cursor", "is none of this list");
    let mut bytes = [0; 24];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| refused())?;
    let (at, user) = bytes.split_first_chunk::<8>().filter(|_| length == bytes.len()).ok_or_else(refused)?;
    let nanos = i128::from(i64::from_be_bytes(*at)) * 1_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| refused())?;
    let user = Uuid::from_slice(user).map_err(|_| refused())?;
    Ok(Some((at, UserId::from_uuid(user))))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form_and_nothing_else_is_one() {
        let place = (datetime!(2026-06-01 12:00:00.123456 UTC), UserId::from_uuid(Uuid::from_u128(7)));
        assert_eq!(decode_cursor(&encode_cursor(place.0, place.1)).unwrap(), Some(place));
        assert_eq!(decode_cursor("").unwrap(), None);
        for text in ["x", "AAAA", "not base64!", &"A".repeat(200)] {
            assert!(decode_cursor(text).is_err(), "{text}");
        }
    }
}
