diesel::table! {
    chats (id) {
        id -> Uuid,
        kind -> Text,
        membership_version -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    direct_blocks (low_id, high_id) {
        low_id -> Uuid,
        high_id -> Uuid,
        is_blocked -> Bool,
        version -> BigInt,
    }
}

diesel::table! {
    direct_chats (least_user_id, greatest_user_id) {
        least_user_id -> Uuid,
        greatest_user_id -> Uuid,
        chat_id -> Uuid,
    }
}

diesel::table! {
    members (chat_id, user_id) {
        chat_id -> Uuid,
        user_id -> Uuid,
        joined_at -> Timestamptz,
    }
}

diesel::table! {
    pending_updates (id) {
        id -> BigInt,
        event_id -> Uuid,
        chat_id -> Uuid,
        payload -> Nullable<Binary>,
        membership_version -> BigInt,
        created_at -> Timestamptz,
        attempts -> Integer,
        next_attempt_at -> Timestamptz,
    }
}

diesel::joinable!(members -> chats (chat_id));
diesel::allow_tables_to_appear_in_same_query!(chats, direct_blocks, direct_chats, members, pending_updates);
