use godwit_kernel::{NodeId, UserId};

use super::App;
use crate::domain::Reading;
use crate::error::Error;

/// Whom a user's connections at a node have on screen from now on, and whom no longer.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The node.
    pub node_id: NodeId,
    /// The user.
    pub user_id: UserId,
    /// On screen.
    pub watched: Vec<UserId>,
    /// Not any more.
    pub unwatched: Vec<UserId>,
}

impl App {
    /// Notes whom a user has on screen, and gives the presences of these as the user may see them.
    ///
    /// # Errors
    /// When live, auth or the database does not answer.
    #[tracing::instrument(name = "presence.watch", skip_all, err(level = "debug"))]
    pub async fn watch_presence(&self, watch: Watch) -> Result<Vec<Reading>, Error> {
        let Watch { node_id, user_id, watched, unwatched } = watch;
        self.roster.unwatch(node_id, user_id, &unwatched).await?;
        // Before they are read, so that no change is lost in between.
        self.roster.watch(node_id, user_id, &watched).await?;
        metrics::counter!("godwit_presence_watches_total").increment(watched.len() as u64);
        self.list_presences(user_id, &watched).await
    }
}
