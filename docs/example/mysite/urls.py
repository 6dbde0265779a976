# mysite/urls.py
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("cmc/webhook", include("cmc_webhooks.urls")),
    path("api/mail/", include("cmc_webhooks.api.urls")),
]
