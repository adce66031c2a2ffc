use godwit_contract::presence::v1::GetPresenceResponse;
use godwit_kernel::UserId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /users/{id}/presence`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_presence(&self, user_id: UserId) -> Result<GetPresenceResponse, Error> {
        self.call(self.http().get(&["users", &user_id.to_string(), "presence"])).await
    }
}
