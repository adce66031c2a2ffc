diesel::table! {
    web_push_subscriptions (device_id) {
        device_id -> Uuid,
        user_id -> Uuid,
        session_id -> Uuid,
        endpoint -> Text,
        p256dh -> Binary,
        auth -> Binary,
        created_at -> Timestamptz,
        paused_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    vapid_keys (id) {
        id -> SmallInt,
        private_key -> Binary,
        created_at -> Timestamptz,
    }
}
