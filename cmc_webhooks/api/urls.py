"""Mounted by the project: `path("mail-history/", include("cmc_webhooks.api.urls"))`."""

from __future__ import annotations

from django.urls import path, re_path
from rest_framework import routers

from cmc_webhooks.api import views

app_name = "cmc_webhooks_api"

router = routers.DefaultRouter()
router.APIRootView = views.HistoryRootView
router.include_format_suffixes = False
router.register("mails", views.MailViewSet, basename="mail")
router.register("delivery-events", views.DeliveryEventViewSet, basename="delivery-event")
router.register("bounce-events", views.BounceEventViewSet, basename="bounce-event")
router.register("block-events", views.BlockEventViewSet, basename="block-event")
router.register("notifications", views.NotificationViewSet, basename="notification")
router.register("rejected-events", views.RejectedEventViewSet, basename="rejected-event")

urlpatterns = [
    # addresses may contain slashes, and be no addresses
    re_path(
        r"^addresses/(?P<address>[\s\S]+)/\Z",
        views.AddressViewSet.as_view({"get": "retrieve"}, detail=True, basename="address"),
        name="address-detail",
    ),
    path("stats/", views.StatisticsViewSet.as_view({"get": "list"}, basename="stats"), name="stats"),
    *router.urls,
]
