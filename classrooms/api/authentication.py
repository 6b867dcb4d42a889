"""Who a program is. DRF loads this before its views, so nothing here may import them."""

from rest_framework.authentication import TokenAuthentication

from classrooms.services.tokens import token_key


class HashedTokenAuthentication(TokenAuthentication):
    """`Authorization: Token …`, found by its hash."""

    def authenticate_credentials(self, key):
        return super().authenticate_credentials(token_key(key))
