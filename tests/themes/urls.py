from __future__ import annotations

from django.conf import settings
from django.urls import include, path

from tests.urls import urlpatterns as _of_the_tests

urlpatterns = [
    *_of_the_tests,
    *([path("grappelli/", include("grappelli.urls"))] if settings.THEME == "grappelli" else []),
]
