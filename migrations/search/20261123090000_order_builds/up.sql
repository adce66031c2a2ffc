ALTER TABLE builds
    -- When the process started that has it built for this label: of two that ask for different ones the later is right.
    ADD COLUMN ordered_at timestamptz NOT NULL DEFAULT 'epoch';
