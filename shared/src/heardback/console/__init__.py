"""The console's shared look: pages, live patches and charts for whoever serves a part of it.

Pages (`pages.py`): `Console(package=..., active="Board", navigation=..., clock=...)` renders the
service's `templates/` on top of `base.html`. Include `console.assets_router` in the service.
`console.page(request, "board.html", position=hub.position, **context)` answers a page with its
strict policy; `position` makes it live, and is read before the page's queries.
`console.render("row.html", **context)` gives a fragment; `patch(*fragments)` answers a form.

Live (`sse.py`): one `Hub` a process. `hub.publish(html)` sends the same bytes to every open page;
`hub.reset()` makes them fetch themselves again. The route: `return stream(request, hub)`.

The markup that the scripts understand; without JavaScript it is plain links and forms:
- An element with an `id` is patched in place; focus and half-typed text stay. With `data-rev`
  an older one is ignored. What has no `id` around it is only a wrapper: rows of a table need one
  (`pages.table_rows`), because a browser drops a lone `<tr>`.
- `data-into="<id>"` names the container of an element that is not on the page yet, `data-order`
  its place there (compared as text), `data-gone` that it leaves. A container with `data-partial`
  (filtered, or one page of many) makes the page fetch itself instead; `data-partial="end"` (cut
  off at its end) does so only when rows move. `data-only-<name>="<value>"` says that only elements
  whose `data-<name>` is that value belong into it: of the others it takes no notice. With more than
  `data-most` elements in it, and when an element's `data-anew` changes, the page fetches itself
  too. A form with half-typed words is never taken away.
- `form[data-live]` posts by fetch; its answer is a patch. With `data-keep`, what was typed stays
  in it; a `button[data-page]` sends it for a whole page. `form[data-filter]` (GET) filters as one
  types. `a[data-panel]` opens the `#panel` of the page it points to in a dialog; a panel with
  `data-watch="<id>"` is fetched again when that element changes.
- `rows.js`, for a page with `tbody[data-rows]`: keys (`data-key`) and a selection; see its head.
- `clocks.js`: `[data-due]` (milliseconds since 1970) ticks by the server's time; see the macro
  `timer`.

Macros (`macros.html`): `timer`, `figure`. Charts (`charts.py`): `line_chart`, `column_chart`,
`category_bar`, `funnel_bars`, each with its figures; beside figures, `small_columns`, `share_bar`.
"""
