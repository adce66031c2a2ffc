use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Shows how many uploads wait to be looked at, and how many are dead letters.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_jobs(&self) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let (waiting, dead) = store::count_jobs(&mut conn).await?;
        metrics::gauge!("godwit_media_jobs", "state" => "waiting").set(f64::from(waiting));
        metrics::gauge!("godwit_media_jobs", "state" => "dead").set(f64::from(dead));
        Ok(())
    }
}
