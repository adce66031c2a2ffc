diesel::table! {
    bans (chat_id, user_id) {
        chat_id -> Uuid,
        user_id -> Uuid,
        banned_by -> Uuid,
        banned_at -> Timestamptz,
    }
}

diesel::table! {
    chat_settings (user_id, chat_id) {
        user_id -> Uuid,
        chat_id -> Uuid,
        muted_until -> Nullable<Timestamptz>,
        is_archived -> Bool,
    }
}

diesel::table! {
    chats (id) {
        id -> Uuid,
        kind -> Text,
        membership_version -> BigInt,
        created_at -> Timestamptz,
        title -> Text,
        description -> Text,
        avatar_media_id -> Nullable<Uuid>,
        handle -> Nullable<Text>,
        who_may_post -> Text,
        slow_mode_secs -> Integer,
        is_history_visible -> Bool,
        member_count -> Integer,
        created_by -> Nullable<Uuid>,
        client_chat_id -> Nullable<Text>,
        deleted_at -> Nullable<Timestamptz>,
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
    drafts (user_id, chat_id) {
        user_id -> Uuid,
        chat_id -> Uuid,
        payload -> Binary,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    folders (id) {
        id -> Uuid,
        user_id -> Uuid,
        title -> Text,
        chat_ids -> Array<Uuid>,
        place -> Integer,
    }
}

diesel::table! {
    invites (code) {
        code -> Text,
        chat_id -> Uuid,
        created_by -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        uses_max -> Integer,
        use_count -> Integer,
        needs_approval -> Bool,
        idempotency_key -> Nullable<Text>,
    }
}

diesel::table! {
    join_requests (chat_id, user_id) {
        chat_id -> Uuid,
        user_id -> Uuid,
        invite_code -> Text,
        requested_at -> Timestamptz,
    }
}

diesel::table! {
    members (chat_id, user_id) {
        chat_id -> Uuid,
        user_id -> Uuid,
        joined_at -> Timestamptz,
        role -> Text,
        added_by -> Nullable<Uuid>,
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
        joined_user_ids -> Array<Uuid>,
        left_user_ids -> Array<Uuid>,
    }
}

diesel::joinable!(members -> chats (chat_id));
diesel::allow_tables_to_appear_in_same_query!(chats, direct_blocks, direct_chats, members, pending_updates);
