use godwit_contract::events::v1::{MessageReported, ModerationEvent, moderation_event};
use godwit_contract::message::v1 as api;
use godwit_kernel::{EventId, UserId};
use prost::Message as _;
use time::OffsetDateTime;

use super::message::encode_message;
use crate::domain::{Message, ReportComment, ReportReason};

/// `reports.payload`, as moderators are given it: an encoded `godwit.events.v1.ModerationEvent`.
pub fn encode_report(
    event_id: EventId,
    reported_at: OffsetDateTime,
    reporter_id: UserId,
    (reason, comment): (ReportReason, &ReportComment),
    message: &Message,
) -> Vec<u8> {
    let reason = match reason {
        ReportReason::Spam => api::ReportReason::Spam,
        ReportReason::Violence => api::ReportReason::Violence,
        ReportReason::Harassment => api::ReportReason::Harassment,
        ReportReason::ChildAbuse => api::ReportReason::ChildAbuse,
        ReportReason::Illegal => api::ReportReason::Illegal,
        ReportReason::Other => api::ReportReason::Other,
    };
    // What only the reporter sees of it is nothing to moderators.
    let message = Message { my_reaction: None, ..message.clone() };
    let reported = MessageReported {
        reporter_id: reporter_id.to_string(),
        reason: reason.into(),
        comment: comment.as_str().to_owned(),
        message: Some(encode_message(&message)),
    };
    let event = ModerationEvent {
        event_id: event_id.to_string(),
        occurred_at: Some(godwit_rpc::timestamp(reported_at)),
        event: Some(moderation_event::Event::MessageReported(reported)),
    };
    event.encode_to_vec()
}

/// The reason that a client names; `None` when it names none.
pub fn decode_report_reason(number: i32) -> Option<ReportReason> {
    match api::ReportReason::try_from(number).ok()? {
        api::ReportReason::Unspecified => None,
        api::ReportReason::Spam => Some(ReportReason::Spam),
        api::ReportReason::Violence => Some(ReportReason::Violence),
        api::ReportReason::Harassment => Some(ReportReason::Harassment),
        api::ReportReason::ChildAbuse => Some(ReportReason::ChildAbuse),
        api::ReportReason::Illegal => Some(ReportReason::Illegal),
        api::ReportReason::Other => Some(ReportReason::Other),
    }
}
