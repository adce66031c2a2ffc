diesel::table! {
    last_seen (user_id) {
        user_id -> Uuid,
        seen_at -> Timestamptz,
    }
}
