// ECharts in the colours of the page. Load `vendor/echarts.common.min.js` before this module.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Draws an ECharts option; `labelled` (the element's aria-label) says what is to be seen.
 * Returns the chart: `setOption` on it again for newer figures.
 */
export function chart(element, option) {
  const drawn = echarts.init(element, null, { renderer: "canvas" });
  const axis = {
    axisLine: { lineStyle: { color: colour("--edge") } },
    axisLabel: { color: colour("--soft") },
    splitLine: { lineStyle: { color: colour("--line") } },
    nameTextStyle: { color: colour("--soft") },
  };
  const each = (axes) => [axes ?? []].flat().map((one) => ({ ...axis, ...one }));
  drawn.setOption({
    color: [1, 2, 3, 4, 5, 6].map((number) => colour(`--chart-${number}`)),
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("--ink") },
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    animationDuration: 300,
    grid: { left: 8, right: 16, top: 40, bottom: 8, containLabel: true },
    ...option,
    legend: { textStyle: { color: colour("--ink") }, ...option.legend },
    // Rich text: the other kind writes style attributes, which the page's policy forbids.
    tooltip: {
      trigger: "axis", renderMode: "richText", backgroundColor: colour("--raised"),
      borderColor: colour("--line"), textStyle: { color: colour("--ink") }, ...option.tooltip,
    },
    ...(option.xAxis ? { xAxis: each(option.xAxis) } : {}),
    ...(option.yAxis ? { yAxis: each(option.yAxis) } : {}),
  });
  new ResizeObserver(() => drawn.resize()).observe(element);
  return drawn;
}
