diesel::table! {
    calls (call_id) {
        call_id -> Uuid,
        media -> SmallInt,
        state -> SmallInt,
        caller_id -> Uuid,
        caller_device_id -> Uuid,
        callee_id -> Uuid,
        callee_device_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        accepted_at -> Nullable<Timestamptz>,
        ended_at -> Timestamptz,
        crossed_id -> Nullable<Uuid>,
        end_cause -> Nullable<SmallInt>,
        chat_id -> Nullable<Uuid>,
    }
}
