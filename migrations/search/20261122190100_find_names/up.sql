-- Who can be found by name. What is shown of them is asked for at the moment of the question.
CREATE TABLE people (
    user_id uuid PRIMARY KEY,
    username text COLLATE "C" NOT NULL,
    -- Username and display name, in lower case and without accents.
    names text COLLATE "C" NOT NULL
);
CREATE INDEX people_by_username ON people (username);
CREATE INDEX people_by_names ON people USING gin (names gin_trgm_ops);

-- Public channels, and those that were public.
CREATE TABLE channels (
    chat_id uuid PRIMARY KEY,
    -- The seq of the update that said so: an older one that comes again changes nothing.
    version bigint NOT NULL,
    -- Empty when the channel is not public any more.
    handle text COLLATE "C" NOT NULL,
    -- Handle and title, in lower case and without accents.
    names text COLLATE "C" NOT NULL
);
CREATE INDEX channels_by_handle ON channels (handle) WHERE handle <> '';
CREATE INDEX channels_by_names ON channels USING gin (names gin_trgm_ops) WHERE handle <> '';
