//! The replicated call state machine.
