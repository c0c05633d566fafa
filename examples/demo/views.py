"""The bookshop's views: a cached page, a page with a cached fragment and a counter, and a session."""

from collections.abc import Callable
from functools import partial

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_POST

from demo import shelf


@cache_page(60)
def front(request: HttpRequest) -> HttpResponse:
    """The whole page is kept for a minute."""
    return render(request, "front.html", {"books": shelf.bestsellers()})


def book(request: HttpRequest, slug: str) -> HttpResponse:
    """The page is made anew for every reader; its reviews are asked for only where they are not kept."""
    if slug not in shelf.BOOKS:
        raise Http404(slug)
    cache.add(f"readers:{slug}", 0, timeout=None)
    reviews: Callable[[], list[str]] = partial(shelf.reviews, slug)
    context = {
        "slug": slug,
        "title": shelf.BOOKS[slug],
        "reviews": reviews,
        "readers": cache.incr(f"readers:{slug}"),
    }
    return render(request, "book.html", context)


@require_POST
def put_in_basket(request: HttpRequest, slug: str) -> HttpResponse:
    """The session lives in the cache."""
    request.session["basket"] = [*request.session.get("basket", []), slug]
    return redirect("basket")


def basket(request: HttpRequest) -> HttpResponse:
    """What this visitor has put in the basket."""
    return render(request, "basket.html", {"basket": request.session.get("basket", [])})
