diesel::table! {
    media (id) {
        id -> Uuid,
        owner_id -> Uuid,
        state -> Text,
        file_name -> Text,
        content_type -> Text,
        size_bytes -> BigInt,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        is_avatar -> Bool,
    }
}
