use godwit_kernel::UserId;

use super::App;
use crate::turn::IceServers;

impl App {
    /// The servers by which two devices find a way to each other, with credentials of this person's own.
    pub fn list_ice_servers(&self, user_id: UserId) -> IceServers {
        self.turn.servers_for(user_id, self.clock.now())
    }
}
