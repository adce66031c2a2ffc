//! The tables of schema `auth`.

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Text,
        display_name -> Text,
        email -> Text,
        password_hash -> Text,
        created_at -> Timestamptz,
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
    }
}

diesel::table! {
    token_keys (id) {
        id -> Text,
        secret -> Bytea,
        is_sealed -> Bool,
        created_at -> Timestamptz,
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

diesel::allow_tables_to_appear_in_same_query!(users, registrations, usernames);
