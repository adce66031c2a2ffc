//! Message index fed by the stream.
