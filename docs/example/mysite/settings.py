# mysite/settings.py
import os

from dotenv import load_dotenv

load_dotenv(BASE_DIR / ".env")

INSTALLED_APPS += [
    "rest_framework",
    "django_filters",
    "cmc_webhooks",
    "shop",
]

DATABASES["default"]["OPTIONS"] = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL",
}

CMC_WEBHOOKS_API_KEYS = os.environ.get("CMC_API_KEY", "").split()
CMC_WEBHOOKS_TIME_ZONE = "Asia/Tokyo"
