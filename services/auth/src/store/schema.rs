//! The tables of schema `auth`.

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Text,
        display_name -> Text,
        email -> Text,
        password_hash -> Text,
        created_at -> Timestamptz,
        bio -> Text,
        avatar_media_id -> Nullable<Uuid>,
        last_seen_audience -> SmallInt,
        avatar_audience -> SmallInt,
        messages_audience -> SmallInt,
        calls_audience -> SmallInt,
        forwards_audience -> SmallInt,
        password_changed_at -> Nullable<Timestamptz>,
        deleted_at -> Nullable<Timestamptz>,
        purged_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    registrations (email) {
        email -> Text,
        username -> Text,
        display_name -> Text,
        password_hash -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    usernames (username) {
        username -> Text,
        user_id -> Nullable<Uuid>,
        registration_email -> Nullable<Text>,
        held_until -> Nullable<Timestamptz>,
        skeleton -> Text,
    }
}

diesel::table! {
    email_codes (email) {
        email -> Text,
        code_hash -> Nullable<Bytea>,
        code_expires_at -> Nullable<Timestamptz>,
        code_used_at -> Nullable<Timestamptz>,
        wrong_try_count -> Integer,
        locked_until -> Nullable<Timestamptz>,
        asked_at -> Nullable<Timestamptz>,
        day_started_at -> Nullable<Timestamptz>,
        day_ask_count -> Integer,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    login_throttles (login_hash) {
        login_hash -> Bytea,
        failure_count -> Integer,
        failed_at -> Timestamptz,
        blocked_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        device_id -> Uuid,
        device_name -> Text,
        device_platform -> Text,
        refresh_generation -> Integer,
        refresh_hash -> Bytea,
        refreshed_at -> Timestamptz,
        expires_at -> Timestamptz,
        created_at -> Timestamptz,
        last_address -> Nullable<Text>,
    }
}

diesel::table! {
    revocations (session_id) {
        session_id -> Uuid,
        user_id -> Uuid,
        revoked_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    mails (id) {
        id -> BigInt,
        kind -> Text,
        recipient -> Text,
        attempt_count -> Integer,
        due_at -> Timestamptz,
        created_at -> Timestamptz,
        facts -> Jsonb,
    }
}

diesel::table! {
    token_keys (id) {
        id -> Text,
        secret -> Bytea,
        is_sealed -> Bool,
        created_at -> Timestamptz,
        signs_from -> Timestamptz,
    }
}

diesel::table! {
    secrets (name) {
        name -> Text,
        secret -> Bytea,
        is_sealed -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    relationships (low_id, high_id) {
        low_id -> Uuid,
        high_id -> Uuid,
        low_requested_at -> Nullable<Timestamptz>,
        high_requested_at -> Nullable<Timestamptz>,
        friends_since -> Nullable<Timestamptz>,
        low_blocked_at -> Nullable<Timestamptz>,
        high_blocked_at -> Nullable<Timestamptz>,
        block_version -> BigInt,
        told_block_version -> BigInt,
    }
}

diesel::table! {
    known_devices (user_id, device_id) {
        user_id -> Uuid,
        device_id -> Uuid,
        first_used_at -> Timestamptz,
    }
}

diesel::table! {
    logins (id) {
        id -> Uuid,
        user_id -> Uuid,
        at -> Timestamptz,
        outcome -> SmallInt,
        device_id -> Uuid,
        device_name -> Text,
        device_platform -> Text,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    totp_secrets (user_id) {
        user_id -> Uuid,
        secret -> Bytea,
        is_sealed -> Bool,
        confirmed_at -> Nullable<Timestamptz>,
        last_step -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    recovery_codes (user_id, code_hash) {
        user_id -> Uuid,
        code_hash -> Bytea,
    }
}

diesel::table! {
    challenges (token_hash) {
        token_hash -> Bytea,
        user_id -> Uuid,
        device_id -> Uuid,
        device_name -> Text,
        device_platform -> Text,
        wrong_try_count -> Integer,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    password_resets (email) {
        email -> Text,
        token_hash -> Nullable<Bytea>,
        token_expires_at -> Nullable<Timestamptz>,
        asked_at -> Nullable<Timestamptz>,
        day_started_at -> Nullable<Timestamptz>,
        day_ask_count -> Integer,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, registrations, usernames, sessions, logins, totp_secrets);
