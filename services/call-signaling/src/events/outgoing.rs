use godwit_contract::v1;
use godwit_rpc::timestamp;

use crate::domain::{Call, EndCause, Media, State};

/// The call as clients see it.
pub(crate) fn encode_call(call: &Call) -> v1::Call {
    v1::Call {
        id: call.id.to_string(),
        media: encode_media(call.media).into(),
        state: encode_state(call.state).into(),
        caller_id: call.caller.user_id.to_string(),
        caller_device_id: call.caller.device_id.to_string(),
        callee_id: call.callee_id.to_string(),
        callee_device_id: call.callee_device_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(timestamp(call.created_at)),
        accepted_at: call.accepted_at.map(timestamp),
        ended_at: call.ended_at.map(timestamp),
        end_cause: call.end_cause.map_or(v1::CallEndCause::Unspecified, encode_cause).into(),
        caller_lost_at: call.caller_lost_at.map(timestamp),
        callee_lost_at: call.callee_lost_at.map(timestamp),
        chat_id: call.chat_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

const fn encode_cause(cause: EndCause) -> v1::CallEndCause {
    match cause {
        EndCause::HungUp => v1::CallEndCause::HungUp,
        EndCause::ConnectionLost => v1::CallEndCause::ConnectionLost,
        EndCause::SessionEnded => v1::CallEndCause::SessionEnded,
        EndCause::TimedOut => v1::CallEndCause::TimedOut,
    }
}

const fn encode_media(media: Media) -> v1::CallMedia {
    match media {
        Media::Voice => v1::CallMedia::Voice,
        Media::Video => v1::CallMedia::Video,
    }
}

const fn encode_state(state: State) -> v1::CallState {
    match state {
        State::Ringing => v1::CallState::Ringing,
        State::Accepted => v1::CallState::Accepted,
        State::Ended => v1::CallState::Ended,
        State::Declined => v1::CallState::Declined,
        State::Cancelled => v1::CallState::Cancelled,
        State::Missed => v1::CallState::Missed,
        State::Busy => v1::CallState::Busy,
    }
}
