use godwit_contract::presence::v1::{GetPresenceResponse, ListPresencesRequest, ListPresencesResponse};
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

    /// `POST /users/presence`: at most 100.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_presences(&self, user_ids: &[UserId]) -> Result<ListPresencesResponse, Error> {
        let request = ListPresencesRequest { user_ids: user_ids.iter().map(UserId::to_string).collect() };
        self.call_with(self.http().post(&["users", "presence"]), &request).await
    }
}
