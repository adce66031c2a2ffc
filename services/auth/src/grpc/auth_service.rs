use godwit_contract::auth::v1::auth_service_server::AuthService;
use godwit_contract::auth::v1::{
    ConfirmTwoFactorRequest, ConfirmTwoFactorResponse, DisableTwoFactorRequest, DisableTwoFactorResponse,
    ForgotPasswordRequest, ForgotPasswordResponse, ListKeysRequest, ListKeysResponse, ListLoginsRequest,
    ListLoginsResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest, LoginResponse, LogoutAllRequest,
    LogoutAllResponse, LogoutRequest, LogoutResponse, RefreshRequest, RefreshResponse, RegisterRequest,
    RegisterResponse, ResendCodeRequest, ResendCodeResponse, ResetPasswordRequest, ResetPasswordResponse,
    RevokeSessionRequest, RevokeSessionResponse, SetupTwoFactorRequest, SetupTwoFactorResponse, TokenKey, Tokens,
    VerifyEmailRequest, VerifyEmailResponse, VerifyTwoFactorRequest, VerifyTwoFactorResponse,
};
use godwit_rpc::{Caller, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_user};
use crate::app::{LoginForm, RegisterForm, SessionTokens};

#[async_trait]
impl AuthService for Server {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let RegisterRequest { email, username, password, display_name } = request.into_inner();
        let form = RegisterForm { email, username, password, display_name };
        let code_expires_in_secs = self.0.register(form).await.map_err(to_status)?;
        Ok(Response::new(RegisterResponse { code_expires_in_secs }))
    }

    async fn verify_email(
        &self,
        request: Request<VerifyEmailRequest>,
    ) -> Result<Response<VerifyEmailResponse>, Status> {
        let VerifyEmailRequest { email, code } = request.into_inner();
        self.0.verify_email(&email, &code).await.map_err(to_status)?;
        Ok(Response::new(VerifyEmailResponse {}))
    }

    async fn resend_code(&self, request: Request<ResendCodeRequest>) -> Result<Response<ResendCodeResponse>, Status> {
        let code_expires_in_secs = self.0.resend_code(&request.into_inner().email).await.map_err(to_status)?;
        Ok(Response::new(ResendCodeResponse { code_expires_in_secs }))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginResponse>, Status> {
        let LoginRequest { login, password, device } = request.into_inner();
        let device = device.unwrap_or_default();
        let form = LoginForm {
            login,
            password,
            device_id: device.id,
            device_name: device.name,
            device_platform: device.platform,
        };
        let (tokens, user) = self.0.login(form).await.map_err(to_status)?;
        Ok(Response::new(LoginResponse {
            tokens: Some(encode_tokens(tokens)),
            user: Some(encode_user(&user)),
            challenge: None,
        }))
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<RefreshResponse>, Status> {
        let tokens = self.0.refresh(&request.into_inner().refresh_token).await.map_err(to_status)?;
        Ok(Response::new(RefreshResponse { tokens: Some(encode_tokens(tokens)) }))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.0.logout(caller.session_id).await.map_err(to_status)?;
        Ok(Response::new(LogoutResponse {}))
    }

    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.0.keyring.public_keys().iter();
        let keys = keys.map(|key| TokenKey { id: key.id.clone(), paserk: key.paserk.clone() }).collect();
        Ok(Response::new(ListKeysResponse { keys }))
    }

    async fn logout_all(&self, _: Request<LogoutAllRequest>) -> Result<Response<LogoutAllResponse>, Status> {
        Err(Status::unimplemented("logout_all"))
    }

    async fn list_sessions(&self, _: Request<ListSessionsRequest>) -> Result<Response<ListSessionsResponse>, Status> {
        Err(Status::unimplemented("list_sessions"))
    }

    async fn revoke_session(
        &self,
        _: Request<RevokeSessionRequest>,
    ) -> Result<Response<RevokeSessionResponse>, Status> {
        Err(Status::unimplemented("revoke_session"))
    }

    async fn list_logins(&self, _: Request<ListLoginsRequest>) -> Result<Response<ListLoginsResponse>, Status> {
        Err(Status::unimplemented("list_logins"))
    }

    async fn forgot_password(
        &self,
        _: Request<ForgotPasswordRequest>,
    ) -> Result<Response<ForgotPasswordResponse>, Status> {
        Err(Status::unimplemented("forgot_password"))
    }

    async fn reset_password(
        &self,
        _: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        Err(Status::unimplemented("reset_password"))
    }

    async fn setup_two_factor(
        &self,
        _: Request<SetupTwoFactorRequest>,
    ) -> Result<Response<SetupTwoFactorResponse>, Status> {
        Err(Status::unimplemented("setup_two_factor"))
    }

    async fn confirm_two_factor(
        &self,
        _: Request<ConfirmTwoFactorRequest>,
    ) -> Result<Response<ConfirmTwoFactorResponse>, Status> {
        Err(Status::unimplemented("confirm_two_factor"))
    }

    async fn verify_two_factor(
        &self,
        _: Request<VerifyTwoFactorRequest>,
    ) -> Result<Response<VerifyTwoFactorResponse>, Status> {
        Err(Status::unimplemented("verify_two_factor"))
    }

    async fn disable_two_factor(
        &self,
        _: Request<DisableTwoFactorRequest>,
    ) -> Result<Response<DisableTwoFactorResponse>, Status> {
        Err(Status::unimplemented("disable_two_factor"))
    }
}

fn encode_tokens(tokens: SessionTokens) -> Tokens {
    Tokens {
        access_token: tokens.access_token,
        access_token_expires_at: Some(godwit_rpc::timestamp(tokens.access_token_expires_at)),
        refresh_token: tokens.refresh_token,
        session_id: tokens.session_id.to_string(),
    }
}
