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
        kind -> Text,
        sha256 -> Nullable<Binary>,
        upload_id -> Nullable<Text>,
        scan -> Text,
        rejection -> Nullable<Text>,
        details -> Nullable<Jsonb>,
        collect_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    jobs (media_id) {
        media_id -> Uuid,
        due_at -> Timestamptz,
        attempts -> Integer,
        outages -> Integer,
        claim -> Nullable<Uuid>,
        last_error -> Text,
        part_etags -> Array<Text>,
        dead_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    attachments (chat_id, message_seq, media_id) {
        chat_id -> Uuid,
        message_seq -> BigInt,
        media_id -> Uuid,
        version -> BigInt,
        is_gone -> Bool,
    }
}

diesel::table! {
    garbage (object_key) {
        object_key -> Text,
        due_at -> Timestamptz,
        until -> Timestamptz,
    }
}

diesel::joinable!(jobs -> media (media_id));
diesel::allow_tables_to_appear_in_same_query!(media, jobs, attachments, garbage);
