//! Nothing but tests: `tests/it` runs real `godwit` processes and looks at them as a client does.
