use std::time::Duration;

/// The limits of the stream in PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct PostgresOptions {
    /// After this silence of a member the others take its partitions.
    pub lease: Duration,
    /// How often members look for records of which no notification came.
    pub poll_interval: Duration,
    /// How often records past their topic's retention are deleted.
    pub retention_interval: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            poll_interval: Duration::from_millis(500),
            retention_interval: Duration::from_secs(300),
        }
    }
}

impl PostgresOptions {
    /// How often members report, and partitions are shared out anew.
    pub(super) fn report_interval(&self) -> Duration {
        (self.lease / 4).min(Duration::from_secs(1))
    }
}
