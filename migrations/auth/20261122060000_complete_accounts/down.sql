ALTER TABLE token_keys DROP COLUMN signs_from;

DELETE FROM mails WHERE kind NOT IN ('verification_code', 'already_registered', 'session_alert');
DROP INDEX mails_once;
ALTER TABLE mails
    DROP CONSTRAINT mails_kind_check,
    ADD CONSTRAINT mails_kind_check CHECK (kind IN ('verification_code', 'already_registered', 'session_alert')),
    ADD CONSTRAINT mails_recipient_kind_key UNIQUE (recipient, kind),
    DROP COLUMN facts;

DROP TABLE password_resets;
DROP TABLE challenges;
DROP TABLE recovery_codes;
DROP TABLE totp_secrets;
DROP TABLE logins;
DROP TABLE known_devices;

DROP INDEX revocations_by_age;
DROP INDEX sessions_by_user;
ALTER TABLE sessions DROP COLUMN last_address;

DROP TABLE relationships;

DROP INDEX usernames_by_skeleton;
ALTER TABLE usernames DROP COLUMN skeleton;

DROP INDEX users_by_deletion;
ALTER TABLE users
    DROP COLUMN bio,
    DROP COLUMN avatar_media_id,
    DROP COLUMN last_seen_audience,
    DROP COLUMN avatar_audience,
    DROP COLUMN messages_audience,
    DROP COLUMN calls_audience,
    DROP COLUMN password_changed_at,
    DROP COLUMN deleted_at,
    DROP COLUMN purged_at;
