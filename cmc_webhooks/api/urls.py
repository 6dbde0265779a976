"""URLs of the API. The project mounts them: `path("api/mail/", include("cmc_webhooks.api.urls"))`."""

from __future__ import annotations

from functools import partial

from django.urls import path, re_path
from rest_framework import routers

from cmc_webhooks.api import changes, views
from cmc_webhooks.db import transactions

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

_of_suppressions = partial(views.SuppressionViewSet.as_view, detail=False, basename="suppression")

urlpatterns = [
    path(
        "addresses/look-up/",
        views.AddressViewSet.as_view({"post": "look_up"}, detail=False, basename="address"),
        name="address-look-up",
    ),
    # the text may contain slashes, and may not be a valid address
    re_path(
        r"^addresses/(?P<address>[\s\S]+)/\Z",
        views.AddressViewSet.as_view({"get": "retrieve"}, detail=True, basename="address"),
        name="address-detail",
    ),
    path("suppressions/", _of_suppressions({"get": "list", "post": "create"}), name="suppression-list"),
    path("suppressions/forget/", _of_suppressions({"post": "forget"}), name="suppression-forget"),
    # it sends requests to CMC, which no transaction waits for
    path(
        "suppressions/lift/",
        transactions.non_atomic(_of_suppressions({"post": "lift"})),
        name="suppression-lift",
    ),
    # what it reads must be committed, and it numbers in transactions of its own
    path(
        "changes/",
        transactions.non_atomic(changes.ChangeViewSet.as_view({"get": "list"}, basename="change")),
        name="change-list",
    ),
    path("stats/", views.StatisticsViewSet.as_view({"get": "list"}, basename="stats"), name="stats"),
    *router.urls,
]
