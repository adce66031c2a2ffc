//! The update log of every chat.
