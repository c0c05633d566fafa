"""The bookshop's pages."""

from django.urls import path

from demo import views

urlpatterns = [
    path("", views.front, name="front"),
    path("books/<slug:slug>/", views.book, name="book"),
    path("basket/", views.basket, name="basket"),
    path("basket/<slug:slug>/", views.put_in_basket, name="put-in-basket"),
]
