-- The owner shows it as their avatar: others may fetch it, as far as the owner's privacy allows. At most one an owner.
ALTER TABLE media ADD COLUMN is_avatar boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX media_avatars ON media (owner_id) WHERE is_avatar;
