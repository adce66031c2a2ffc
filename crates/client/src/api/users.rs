use godwit_contract::auth::v1::{
    ChangePasswordRequest, ChangePasswordResponse, DeleteMeRequest, DeleteMeResponse, GetMeResponse,
    GetPrivacyResponse, GetUserByUsernameResponse, GetUserResponse, PrivacySettings, RemoveAvatarResponse,
    SetAvatarRequest, SetAvatarResponse, UpdateMeRequest, UpdateMeResponse, UpdatePrivacyRequest,
    UpdatePrivacyResponse,
};
use godwit_kernel::{MediaId, UserId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /users/me`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_me(&self) -> Result<GetMeResponse, Error> {
        self.call(self.http().get(&["users", "me"])).await
    }

    /// `PATCH /users/me`: changes what is set in the request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_me(&self, request: &UpdateMeRequest) -> Result<UpdateMeResponse, Error> {
        self.call_with(self.http().patch(&["users", "me"]), request).await
    }

    /// `DELETE /users/me`: ends all sessions, this one too, and hides the account; a login within 30 days brings it
    /// back.
    ///
    /// # Errors
    /// See [`Error`]. The session is kept then.
    pub async fn delete_me(&self, request: &DeleteMeRequest) -> Result<(), Error> {
        let _: DeleteMeResponse = self.call_with(self.http().delete(&["users", "me"]), request).await?;
        self.set_session(None);
        Ok(())
    }

    /// `POST /users/me/password`: sets a new password; the account's other sessions end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_password(&self, request: &ChangePasswordRequest) -> Result<ChangePasswordResponse, Error> {
        self.call_with(self.http().post(&["users", "me", "password"]), request).await
    }

    /// `PUT /users/me/avatar`: makes an image that the caller uploaded their avatar.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_avatar(&self, media_id: MediaId) -> Result<SetAvatarResponse, Error> {
        let request = SetAvatarRequest { media_id: media_id.to_string() };
        self.call_with(self.http().put(&["users", "me", "avatar"]), &request).await
    }

    /// `DELETE /users/me/avatar`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_avatar(&self) -> Result<RemoveAvatarResponse, Error> {
        self.call(self.http().delete(&["users", "me", "avatar"])).await
    }

    /// `GET /users/me/privacy`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_privacy(&self) -> Result<GetPrivacyResponse, Error> {
        self.call(self.http().get(&["users", "me", "privacy"])).await
    }

    /// `PATCH /users/me/privacy`: changes what is specified; the rest stays.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_privacy(&self, privacy: PrivacySettings) -> Result<UpdatePrivacyResponse, Error> {
        let request = UpdatePrivacyRequest { privacy: Some(privacy) };
        self.call_with(self.http().patch(&["users", "me", "privacy"]), &request).await
    }

    /// `GET /users/{id}`: a user as the caller may see them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_user(&self, user_id: UserId) -> Result<GetUserResponse, Error> {
        self.call(self.http().get(&["users", &user_id.to_string()])).await
    }

    /// `GET /users/by-username/{name}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_user_by_username(&self, username: &str) -> Result<GetUserByUsernameResponse, Error> {
        self.call(self.http().get(&["users", "by-username", username])).await
    }
}
