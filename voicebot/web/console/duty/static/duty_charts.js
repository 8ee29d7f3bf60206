// Charts drawn from the table beside them, which says the same to whoever cannot see them.

import { chart } from "./chart.js";

const soft = getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
const number = (cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value));

/** A series for each named column (`data-columns`), over the rows; or, with data-by="row", for each
 *  row, over the columns. */
function read(table, { columns = "", by }) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows].filter((row) => !("total" in row.dataset));
  const text = (cell) => cell.textContent.trim();
  if (by === "row") {
    return {
      over: heads.slice(1).map(text),
      series: rows.map((row) => ({ name: text(row.cells[0]), data: [...row.cells].slice(1).map(number) })),
    };
  }
  const wanted = columns.split(" ");
  return {
    over: rows.map((row) => text(row.cells[0])),
    series: heads
      .map((head, index) => ({ head, index }))
      .filter(({ head }) => wanted.includes(head.dataset.column))
      .map(({ head, index }) => ({ name: text(head), data: rows.map((row) => number(row.cells[index])) })),
  };
}

document.querySelectorAll("[data-chart-of]").forEach((element) => {
  const { chartOf, kind, marks } = element.dataset;
  const { over, series } = read(document.getElementById(chartOf), element.dataset);
  const mark = marks && {
    silent: true, symbol: "none", label: { formatter: `${marks}%` },
    lineStyle: { type: "dashed" }, data: [{ yAxis: Number(marks) }],
  };
  chart(element, {
    grid: { left: 8, right: 48, top: 44, bottom: 8, containLabel: true },
    legend: { type: "scroll", top: 4 },
    xAxis: { type: "category", data: over },
    yAxis: { type: "value", min: 0, ...(marks ? { max: 100, axisLabel: { color: soft, formatter: "{value}%" } } : {}) },
    series: series.map((one, index) => ({
      ...one, type: kind, connectNulls: false, ...(mark && index === 0 ? { markLine: mark } : {}),
    })),
  });
});
