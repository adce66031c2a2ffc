use godwit_contract::auth::v1::auth_service_server::AuthService;
use godwit_contract::auth::v1::{
    GetMeRequest, GetMeResponse, GetUserByUsernameRequest, GetUserByUsernameResponse, GetUserRequest, GetUserResponse,
    ListKeysRequest, ListKeysResponse, LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, RefreshRequest,
    RefreshResponse, RegisterRequest, RegisterResponse, ResendCodeRequest, ResendCodeResponse, TokenKey, Tokens,
    VerifyEmailRequest, VerifyEmailResponse,
};
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_user};
use crate::Error;
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
        Ok(Response::new(LoginResponse { tokens: Some(encode_tokens(tokens)), user: Some(encode_user(&user)) }))
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

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (user, email) = self.0.get_me(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(GetMeResponse { user: Some(encode_user(&user)), email: email.as_str().to_owned() }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<GetUserResponse>, Status> {
        Caller::of(&request)?;
        let id = parse_id("user_id", &request.get_ref().user_id).map_err(Error::from).map_err(to_status)?;
        let user = self.0.get_user(id).await.map_err(to_status)?;
        Ok(Response::new(GetUserResponse { user: Some(encode_user(&user)) }))
    }

    async fn get_user_by_username(
        &self,
        request: Request<GetUserByUsernameRequest>,
    ) -> Result<Response<GetUserByUsernameResponse>, Status> {
        Caller::of(&request)?;
        let user = self.0.get_user_by_username(&request.get_ref().username).await.map_err(to_status)?;
        Ok(Response::new(GetUserByUsernameResponse { user: Some(encode_user(&user)) }))
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
