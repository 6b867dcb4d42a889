"""Settings of a site whose channel layer loses a fifth of what groups are sent: DJANGO_SETTINGS_MODULE names this module.

The processes of P5 run with it. Nothing of the product knows.
"""

import os
import random

from readerai_site.layer import InProcessChannelLayer
from readerai_site.redis_layer import LastingRedisChannelLayer
from readerai_site.settings import *  # noqa: F403
from readerai_site.settings import CHANNEL_LAYERS, REDIS_URLS

LOST = float(os.environ.get("LAYER_LOSES", "0.2"))


class LossyRedisLayer(LastingRedisChannelLayer):
    async def group_send(self, group, message):
        """Send, four times of five."""
        if random.random() >= LOST:
            await super().group_send(group, message)


class LossyInProcessLayer(InProcessChannelLayer):
    async def group_send(self, group, message):
        """Send, four times of five."""
        if random.random() >= LOST:
            await super().group_send(group, message)


CHANNEL_LAYERS["default"]["BACKEND"] = f"{__name__}.{'LossyRedisLayer' if REDIS_URLS else 'LossyInProcessLayer'}"
