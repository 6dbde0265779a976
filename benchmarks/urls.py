from __future__ import annotations

from django.urls import path

from benchmarks.peers import views
from example_project.urls import urlpatterns as example

urlpatterns = [
    *example,
    path("peers/naive", views.naive),
    path("peers/idempotent", views.idempotent),
    path("peers/drf", views.Drf.as_view()),
    path("peers/signals", views.signals),
]
