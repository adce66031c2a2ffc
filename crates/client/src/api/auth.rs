use godwit_contract::auth::v1::{
    ConfirmTwoFactorRequest, ConfirmTwoFactorResponse, DisableTwoFactorRequest, DisableTwoFactorResponse,
    ForgotPasswordRequest, ForgotPasswordResponse, ListKeysResponse, ListLoginsRequest, ListLoginsResponse,
    ListSessionsResponse, LoginRequest, LoginResponse, LogoutAllRequest, LogoutAllResponse, LogoutRequest,
    LogoutResponse, RegisterRequest, RegisterResponse, ResendCodeRequest, ResendCodeResponse, ResetPasswordRequest,
    ResetPasswordResponse, RevokeSessionResponse, SetupTwoFactorRequest, SetupTwoFactorResponse, VerifyEmailRequest,
    VerifyEmailResponse, VerifyTwoFactorRequest, VerifyTwoFactorResponse,
};
use godwit_kernel::SessionId;

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

    /// `POST /auth/login`: opens the session of a device; this client has it from here on. When the answer has a
    /// challenge instead, [`verify_two_factor`](Self::verify_two_factor) completes the login.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn login(&self, request: &LoginRequest) -> Result<LoginResponse, Error> {
        let answer: LoginResponse = self.open_call(self.http().post(&["auth", "login"]), request).await?;
        if answer.challenge.is_none() {
            self.set_session(Some(
                Session::from_parts(answer.tokens.as_ref(), answer.user.as_ref()).ok_or(Error::LoggedOut)?,
            ));
        }
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

    /// `POST /auth/logout-all`: ends all sessions of the account, this one too.
    ///
    /// # Errors
    /// See [`Error`]. The session is kept when the server could not be told.
    pub async fn logout_all(&self) -> Result<(), Error> {
        let target = self.http().post(&["auth", "logout-all"]);
        let _: LogoutAllResponse = self.call_with(target, &LogoutAllRequest {}).await?;
        self.set_session(None);
        Ok(())
    }

    /// `GET /auth/sessions`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_sessions(&self) -> Result<ListSessionsResponse, Error> {
        self.call(self.http().get(&["auth", "sessions"])).await
    }

    /// `DELETE /auth/sessions/{id}`: ends one session of the account.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_session(&self, session_id: SessionId) -> Result<RevokeSessionResponse, Error> {
        self.call(self.http().delete(&["auth", "sessions", &session_id.to_string()])).await
    }

    /// `GET /auth/login-history`: a page of the logins at the account.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_logins(&self, request: &ListLoginsRequest) -> Result<ListLoginsResponse, Error> {
        let target = self.http().get(&["auth", "login-history"]).query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `POST /auth/password/forgot`: has a token mailed that sets a new password.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn forgot_password(&self, request: &ForgotPasswordRequest) -> Result<ForgotPasswordResponse, Error> {
        self.open_call(self.http().post(&["auth", "password", "forgot"]), request).await
    }

    /// `POST /auth/password/reset`: sets a new password by the mailed token; all sessions end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reset_password(&self, request: &ResetPasswordRequest) -> Result<ResetPasswordResponse, Error> {
        self.open_call(self.http().post(&["auth", "password", "reset"]), request).await
    }

    /// `POST /auth/2fa/setup`: makes a secret for an authenticator app.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn setup_two_factor(&self) -> Result<SetupTwoFactorResponse, Error> {
        self.call_with(self.http().post(&["auth", "2fa", "setup"]), &SetupTwoFactorRequest {}).await
    }

    /// `POST /auth/2fa/confirm`: turns two-factor logins on by a first code.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn confirm_two_factor(
        &self,
        request: &ConfirmTwoFactorRequest,
    ) -> Result<ConfirmTwoFactorResponse, Error> {
        self.call_with(self.http().post(&["auth", "2fa", "confirm"]), request).await
    }

    /// `POST /auth/2fa/verify`: completes a login that was answered with a challenge; this client has the session from
    /// here on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn verify_two_factor(&self, request: &VerifyTwoFactorRequest) -> Result<VerifyTwoFactorResponse, Error> {
        let target = self.http().post(&["auth", "2fa", "verify"]);
        let answer: VerifyTwoFactorResponse = self.open_call(target, request).await?;
        self.set_session(Some(
            Session::from_parts(answer.tokens.as_ref(), answer.user.as_ref()).ok_or(Error::LoggedOut)?,
        ));
        Ok(answer)
    }

    /// `DELETE /auth/2fa`: turns two-factor logins off.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn disable_two_factor(
        &self,
        request: &DisableTwoFactorRequest,
    ) -> Result<DisableTwoFactorResponse, Error> {
        self.call_with(self.http().delete(&["auth", "2fa"]), request).await
    }
}
