// A click on a heading sorts the table by its column: numbers from the largest down, texts from A,
// and the other way round at the next click. Cells without a number come last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const value = (row) => {
      const cell = row.cells[column];
      return cell.dataset.value ?? cell.textContent.replaceAll(",", "");
    };
    const sort = () => {
      const descends = heading.ariaSort !== "descending";
      for (const other of headings) other.ariaSort = null;
      heading.ariaSort = descends ? "descending" : "ascending";
      const body = table.tBodies[0];
      const rows = [...body.rows];
      const isText = rows.every((row) => Number.isNaN(parseFloat(value(row))));
      const number = (row) => {
        const found = parseFloat(value(row));
        return Number.isNaN(found) ? (descends ? -Infinity : Infinity) : found;
      };
      rows.sort((a, b) => {
        const order = isText ? value(b).localeCompare(value(a)) : number(a) - number(b);
        return descends ? -order : order;
      });
      body.append(...rows);
    };
    heading.tabIndex = 0;
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sort();
    });
  });
}
