use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_events::{NewRecord, outbox};
use godwit_kernel::{CallId, ChatId, DeviceId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::calls;
use crate::domain::{Call, EndCause, Media, Party, State};

#[derive(Insertable, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = calls)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    call_id: Uuid,
    media: i16,
    state: i16,
    caller_id: Uuid,
    caller_device_id: Uuid,
    callee_id: Uuid,
    callee_device_id: Option<Uuid>,
    created_at: OffsetDateTime,
    accepted_at: Option<OffsetDateTime>,
    ended_at: OffsetDateTime,
    crossed_id: Option<Uuid>,
    end_cause: Option<i16>,
    chat_id: Option<Uuid>,
}

/// Puts calls that are over into the history, and the events of those that were not there yet into the outbox, in one
/// transaction. Calls that still run are passed over.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn record(connection: &mut Connection, over: Vec<(&Call, NewRecord)>) -> Result<(), Error> {
    let rows: Vec<Row> = over.iter().filter_map(|(call, _)| row(call)).collect();
    let insert_and_tell = async move |connection: &mut Connection| {
        let recorded: Vec<Uuid> = diesel::insert_into(calls::table)
            .values(&rows)
            .on_conflict_do_nothing()
            .returning(calls::call_id)
            .get_results(connection)
            .await?;
        let fresh = over.into_iter().filter(|(call, _)| recorded.contains(&call.id.as_uuid()));
        outbox::enqueue(connection, fresh.map(|(_, event)| event).collect()).await
    };
    connection.transaction(insert_and_tell).await
}

/// The call that this id names, when it is over.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn find(connection: &mut Connection, id: CallId) -> Result<Option<Call>, Error> {
    let id = id.as_uuid();
    let named = calls::table.filter(calls::call_id.eq(id).or(calls::crossed_id.eq(id)));
    // An own id goes before one that a call was crossed with.
    let by_own = calls::call_id.ne(id).asc();
    let row: Option<Row> = named.order(by_own).select(Row::as_select()).first(connection).await.optional()?;
    Ok(row.and_then(call))
}

fn row(call: &Call) -> Option<Row> {
    Some(Row {
        call_id: call.id.as_uuid(),
        media: media_code(call.media),
        state: state_code(call.state),
        caller_id: call.caller.user_id.as_uuid(),
        caller_device_id: call.caller.device_id.as_uuid(),
        callee_id: call.callee_id.as_uuid(),
        callee_device_id: call.callee_device_id.map(|id| id.as_uuid()),
        created_at: call.created_at,
        accepted_at: call.accepted_at,
        ended_at: call.ended_at?,
        crossed_id: call.crossed_id.map(|id| id.as_uuid()),
        end_cause: call.end_cause.map(cause_code),
        chat_id: call.chat_id.map(|id| id.as_uuid()),
    })
}

pub(super) fn call(row: Row) -> Option<Call> {
    Some(Call {
        id: CallId::from_uuid(row.call_id),
        media: media_of(row.media)?,
        state: state_of(row.state)?,
        caller: Party {
            user_id: UserId::from_uuid(row.caller_id),
            device_id: DeviceId::from_uuid(row.caller_device_id),
            session_id: None,
        },
        callee_id: UserId::from_uuid(row.callee_id),
        callee_device_id: row.callee_device_id.map(DeviceId::from_uuid),
        callee_session_id: None,
        crossed_id: row.crossed_id.map(CallId::from_uuid),
        chat_id: row.chat_id.map(ChatId::from_uuid),
        created_at: row.created_at,
        accepted_at: row.accepted_at,
        ended_at: Some(row.ended_at),
        end_cause: row.end_cause.and_then(cause_of),
        caller_lost_at: None,
        callee_lost_at: None,
    })
}

const MEDIA_CODES: [(Media, i16); 2] = [(Media::Voice, 1), (Media::Video, 2)];
const STATE_CODES: [(State, i16); 7] = [
    (State::Ringing, 1),
    (State::Accepted, 2),
    (State::Ended, 3),
    (State::Declined, 4),
    (State::Cancelled, 5),
    (State::Missed, 6),
    (State::Busy, 7),
];

const CAUSE_CODES: [(EndCause, i16); 4] =
    [(EndCause::HungUp, 1), (EndCause::ConnectionLost, 2), (EndCause::SessionEnded, 3), (EndCause::TimedOut, 4)];

pub(super) fn media_code(media: Media) -> i16 {
    MEDIA_CODES.iter().find(|(known, _)| *known == media).map_or(0, |(_, code)| *code)
}

fn media_of(code: i16) -> Option<Media> {
    MEDIA_CODES.iter().find(|(_, known)| *known == code).map(|(media, _)| *media)
}

pub(super) fn state_code(state: State) -> i16 {
    STATE_CODES.iter().find(|(known, _)| *known == state).map_or(0, |(_, code)| *code)
}

fn state_of(code: i16) -> Option<State> {
    STATE_CODES.iter().find(|(_, known)| *known == code).map(|(state, _)| *state)
}

fn cause_code(cause: EndCause) -> i16 {
    CAUSE_CODES.iter().find(|(known, _)| *known == cause).map_or(0, |(_, code)| *code)
}

fn cause_of(code: i16) -> Option<EndCause> {
    CAUSE_CODES.iter().find(|(_, known)| *known == code).map(|(cause, _)| *cause)
}
