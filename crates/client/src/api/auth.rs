use godwit_contract::auth::v1::{
    GetMeResponse, GetUserByUsernameResponse, GetUserResponse, ListKeysResponse, LoginRequest, LoginResponse,
    LogoutRequest, LogoutResponse, RegisterRequest, RegisterResponse, ResendCodeRequest, ResendCodeResponse,
    VerifyEmailRequest, VerifyEmailResponse,
};
use godwit_kernel::UserId;

use crate::client::Client;
use crate::error::Error;
use crate::session::Session;

impl Client {
    /// `POST /auth/register`: creates an unverified account and has a code sent.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn register(&self, request: &RegisterRequest) -> Result<RegisterResponse, Error> {
        self.open_call(self.http().post(&["auth", "register"]), request).await
    }

    /// `POST /auth/verify-email`: confirms the address with the code.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn verify_email(&self, request: &VerifyEmailRequest) -> Result<VerifyEmailResponse, Error> {
        self.open_call(self.http().post(&["auth", "verify-email"]), request).await
    }

    /// `POST /auth/resend-code`: has another code sent.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resend_code(&self, request: &ResendCodeRequest) -> Result<ResendCodeResponse, Error> {
        self.open_call(self.http().post(&["auth", "resend-code"]), request).await
    }

    /// `POST /auth/login`: opens the session of a device; this client has it from here on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn login(&self, request: &LoginRequest) -> Result<LoginResponse, Error> {
        let answer: LoginResponse = self.open_call(self.http().post(&["auth", "login"]), request).await?;
        self.set_session(Some(Session::from_login(&answer).ok_or(Error::LoggedOut)?));
        Ok(answer)
    }

    /// `POST /auth/logout`: ends the session, here also when the server had ended it before.
    ///
    /// # Errors
    /// See [`Error`]. The session is kept when the server could not be told.
    pub async fn logout(&self) -> Result<(), Error> {
        let target = self.http().post(&["auth", "logout"]);
        match self.call_with::<_, LogoutResponse>(target, &LogoutRequest {}).await {
            Ok(_) | Err(Error::LoggedOut) => {
                self.set_session(None);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// `GET /auth/keys`: the public keys that verify access tokens.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_keys(&self) -> Result<ListKeysResponse, Error> {
        self.http().call(&self.http().get(&["auth", "keys"]), None, None).await
    }

    /// `GET /users/me`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_me(&self) -> Result<GetMeResponse, Error> {
        self.call(self.http().get(&["users", "me"])).await
    }

    /// `GET /users/{id}`.
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
